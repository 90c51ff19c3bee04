"""deploy/Dockerfile names what the code has: commands, ports, files, locks; and keeps what it promises of its image."""

import re
import tomllib
from fnmatch import fnmatch

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from feed import __version__
from feed.cli import main
from feed.settings import Values
from tests.deploy import recipe
from tests.deploy.composed import DEPLOY, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, Requirement]:
    """Of a lock, by name; each must be pinned by version and hash."""
    found = {}
    for entry in re.split(r"\n(?=\S)", (DEPLOY / name).read_text().replace("\\\n", " ")):
        if entry.strip() and not entry.startswith("#"):
            requirement = Requirement(entry.partition("--hash")[0].strip())
            assert [each.operator for each in requirement.specifier] == ["=="], entry
            assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry
            found[canonicalize_name(requirement.name)] = requirement
    return found


def parsed(words: list[str]) -> click.Context:
    """Raises where there is no such command of feed, or not with these arguments."""
    assert words[0] == "feed"
    command = main.commands[words[1]]
    return command.make_context(words[1], words[2:])


def test_every_stage_is_of_the_one_base_that_is_given() -> None:
    froms = [stage[0].rest for stage in recipe.stages()]
    assert froms == ["${PYTHON} AS wheels", "wheels AS installed", "${PYTHON}"]
    assert recipe.argument("PYTHON").startswith("python:3.11-slim")


def test_nothing_of_it_is_for_one_architecture() -> None:
    words = re.findall(r"amd64|x86_64|aarch64|arm64|manylinux", (DEPLOY / "Dockerfile").read_text())
    assert words == []


def test_no_shell_is_needed_to_run_it_to_ask_it_or_to_stop_it() -> None:
    assert recipe.words("ENTRYPOINT") == ["dumb-init", "--single-child", "--", "feed"]
    parsed(recipe.words("HEALTHCHECK"))
    assert recipe.words("CMD") == ["--help"]
    assert "RUN" not in {word for word, _ in recipe.stages()[-1]}


def test_its_user_is_a_number_and_not_root() -> None:
    assert recipe.last("USER") == "10001:10001"


def test_its_ports_are_the_settings_own() -> None:
    values = Values()
    ports = {values.gateway.port, values.gateway.admin_port, values.ingest.admin_port}
    assert {int(port) for port in recipe.last("EXPOSE").split()} == ports


def test_its_labels_are_the_projects() -> None:
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in recipe.labels().items()}
    assert labels == {
        "title": PROJECT["project"]["name"],
        "description": PROJECT["project"]["description"],
        "version": "${VERSION}",
        "revision": "${REVISION}",
        "source": "${SOURCE}",
        "base.name": "${PYTHON}",
    }
    assert recipe.argument("VERSION") == __version__ == PROJECT["project"]["version"]


def test_its_variables_are_none_of_feeds() -> None:
    # they would win over a mounted file of settings, whose reader would wonder
    assert recipe.variables().keys() == {"PATH", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def test_what_it_copies_is_there_and_not_left_out_of_the_build() -> None:
    copied = [
        source
        for word, rest in recipe.instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert {"feed", "pyproject.toml", "deploy/requirements.lock"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not left_out(source), source
    assert left_out("tests")
    assert left_out(".git")
    assert left_out("deploy/compose.yaml")
    assert left_out("feed/__pycache__")


def left_out(path: str) -> bool:
    """By .dockerignore: of its lines that fit a path or what it lies in, the last counts."""
    places = [path.rsplit("/", depth)[0] for depth in range(path.count("/") + 1)]
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if (
            line
            and not line.startswith("#")
            and any(
                fnmatch(place if "/" in pattern else place.rpartition("/")[2] if "**" in line else place, pattern)
                for place in places
                if place.count("/") == pattern.count("/") or "**" in line
            )
        ):
            out = not line.startswith("!")
    return out


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock", "init.lock"])
def test_each_lock_is_pinned_and_used_by_hash(name: str) -> None:
    assert pins(name)
    runs = [rest for word, rest in recipe.instructions() if word == "RUN" and f"deploy/{name}" in rest]
    assert runs
    assert not any("PIP_REQUIRE_HASHES=0" in run.partition(f"deploy/{name}")[0] for run in runs)
    assert "PIP_REQUIRE_HASHES=1" in recipe.stages()[0][1].rest


def test_feed_is_built_by_what_pyproject_asks_for() -> None:
    locked = pins("build.lock")
    for text in PROJECT["build-system"]["requires"]:
        requirement = Requirement(text)
        (pin,) = locked[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), text
    assert pins("init.lock").keys() == {"dumb-init"}


def test_a_command_that_is_not_is_noticed() -> None:
    with pytest.raises(KeyError):
        parsed(["feed", "healthy"])
    with pytest.raises(click.ClickException):
        parsed(["feed", "health", "--alive"])
