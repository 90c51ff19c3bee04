"""deploy/requirements.lock: what the image is built of is complete, within pyproject's bounds, and pinned by hashes."""

import re
import shutil
import subprocess
import sys
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
# As README.md has it, but for --upgrade: what is pinned stays, where it may.
RENEW = [
    "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate",
    "--no-emit-index-url", "--quiet", "-o", "deploy/requirements.lock",
]  # fmt: skip


def entries(lock: str) -> list[str]:
    return [
        entry
        for entry in re.split(r"\n(?=\S)", lock.replace("\\\n", " "))
        if entry.strip() and not entry.startswith("#")
    ]


def pins(lock: str) -> dict[str, tuple[Version, str]]:
    """Version, and where it is needed, by name."""
    found = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition("--hash")[0].strip())
        (pin,) = requirement.specifier
        assert pin.operator == "==", entry
        found[canonicalize_name(requirement.name)] = (Version(pin.version), str(requirement.marker))
    return found


PINNED = pins(LOCK)


def resolved(folder: Path, lock: str) -> dict[str, tuple[Version, str]]:
    """What becomes of a lock, by what the pinned versions themselves say that they need, on every platform."""
    (folder / "deploy").mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "deploy" / "requirements.lock").write_text(lock)
    subprocess.run([Path(sys.executable).with_name("uv"), *RENEW], cwd=folder, check=True)
    return pins((folder / "deploy" / "requirements.lock").read_text())


# It asks the index, as the image's own build does. What is installed here says nothing of what is locked: the next
# release of a dependency would fail a lock that is as good as before.
@pytest.mark.chaos
def test_all_that_is_needed_is_there_and_nothing_else(tmp_path: Path) -> None:
    assert resolved(tmp_path, LOCK) == PINNED


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("faulty", "what"),
    [
        (re.sub(r"(?m)^yarl==(.*\n)(    .*\n?)*", "", LOCK), "one is missing"),
        (LOCK + "six==1.17.0\n", "one is too many"),
        (re.sub(r"(?m)^pydantic-core==\S+", "pydantic-core==2.40.0", LOCK), "one is not what another one needs"),
        (re.sub(r"(?m)^uvloop==(\S+) ; .*? \\", r"uvloop==\1 \\", LOCK), "one is needed on fewer platforms"),
    ],
    ids=lambda value: value if len(value) < 80 else "",
)
def test_a_fault_is_seen(tmp_path: Path, faulty: str, what: str) -> None:
    assert faulty != LOCK, what
    assert resolved(tmp_path, faulty) != pins(faulty), what


@pytest.mark.parametrize("requirement", DEPENDENCIES, ids=lambda requirement: requirement.name)
def test_each_dependency_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}
    version, _ = PINNED[canonicalize_name(requirement.name)]
    assert version in requirement.specifier


def test_each_is_pinned_by_hashes_and_names_no_host() -> None:
    assert [entry for entry in entries(LOCK) if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)] == []
    assert "://" not in LOCK
    assert "--index" not in LOCK
