"""deploy/requirements.lock: what the image is built of is complete, within pyproject's bounds, and pinned by hashes."""

import contextlib
import importlib.metadata
import itertools
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "deploy" / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = [Requirement(line) for line in PROJECT["dependencies"]]
# Where the image may run. 3.11.0 is apart: a dependency had to make up for what 3.11.3 brought.
PLACES = [
    {"python_version": python.rpartition(".")[0], "python_full_version": python, "platform_machine": machine,
     "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython",
     "platform_python_implementation": "CPython", "extra": ""}
    for python, machine in itertools.product(("3.11.0", "3.11.9", "3.12.9", "3.13.2"), ("x86_64", "aarch64"))
]  # fmt: skip


def pinned() -> dict[str, tuple[Version, int]]:
    """Version and number of hashes by name."""
    found = {}
    for entry in re.split(r"\n(?=\S)", LOCK.replace("\\\n", " ")):
        if entry.strip() and not entry.startswith("#"):
            requirement = Requirement(entry.partition("--hash")[0].strip())
            (pin,) = requirement.specifier
            assert pin.operator == "==", entry
            hashes = len(re.findall(r"sha256:[0-9a-f]{64}\b", entry))
            found[canonicalize_name(requirement.name)] = (Version(pin.version), hashes)
    return found


PINNED = pinned()


def needed(place: dict[str, str]) -> dict[str, list[Requirement]]:
    """Who is needed in that place, as those say that need them, followed to the end."""
    found: dict[str, list[Requirement]] = {}
    left = list(DEPENDENCIES)
    while left:
        requirement = left.pop()
        if requirement.marker is not None and not requirement.marker.evaluate(place):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            # what is needed elsewhere and not installed here can't be asked what it needs itself
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                left += map(Requirement, importlib.metadata.requires(name) or ())
        found.setdefault(name, []).append(requirement)
    return found


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place["python_full_version"] + place["platform_machine"])
def test_all_that_is_needed_is_there_within_its_bounds(place: dict[str, str]) -> None:
    for name, requirements in needed(place).items():
        assert name in PINNED, f"{name} is not in the lock"
        for requirement in requirements:
            assert requirement.specifier.contains(PINNED[name][0]), f"{requirement}, and {PINNED[name][0]} is locked"


def test_nothing_is_there_that_nobody_needs() -> None:
    assert set(PINNED) == {name for place in PLACES for name in needed(place)}


def test_each_is_pinned_by_hashes_and_names_no_host() -> None:
    assert [name for name, (_, hashes) in PINNED.items() if not hashes] == []
    assert "://" not in LOCK
    assert "--index" not in LOCK


@pytest.mark.parametrize("requirement", DEPENDENCIES, ids=lambda requirement: requirement.name)
def test_each_dependency_has_a_lower_and_an_upper_bound(requirement: Requirement) -> None:
    assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}
