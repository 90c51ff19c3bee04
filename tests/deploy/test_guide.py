"""deploy/README.md's part about Compose: its commands, names, numbers and addresses are those of the files."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from click import Context

from feed.cli import main
from feed.cli.key import key
from feed.client.client import DRAINED_S
from feed.settings import Values
from feed.settings.sources import variable
from feed.settings.words import knobs
from feed.wire.closing import Close
from tests.deploy.composed import COMPOSE, DEPLOY, FEED, GIVEN, ONCE, PUBLIC, ROOT, SERVICES

GUIDE = (DEPLOY / "README.md").read_text().partition("\n## Compose\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines()]
COMMANDS += [re.sub(r"\s+", " ", found) for found in re.findall(r"`(docker compose [^`]+|feed watch [^`]+)`", GUIDE)]
# After which a command of Compose names services.
VERBS = {"up", "stop", "exec", "logs", "run", "ps", "build", "down"}
NUMBERS = {"Nine": 9, "six": 6}


def words_of_feed(line: str) -> list[str]:
    found = re.search(r"(?:^|exec \S+ )feed (.*)", line)
    return shlex.split(found[1]) if found else []


@pytest.mark.parametrize("line", [line for line in COMMANDS if "docker compose" in line])
def test_composes_files_verbs_and_services_are_there(line: str) -> None:
    words = shlex.split(re.split(r" > | \|\| |;", line)[0])[2:]
    files = [words[at + 1] for at, word in enumerate(words) if word == "-f"]
    assert files in (["deploy/compose.yaml"], ["deploy/compose.yaml", "deploy/compose/public.yaml"])
    verb = words[2 * len(files)]
    assert verb in VERBS
    named = [word for word in words[2 * len(files) + 1 :] if not word.startswith("-")]
    for name in named[:1]:
        assert name in SERVICES or name == "$name", name


@pytest.mark.parametrize("line", [line for line in COMMANDS if words_of_feed(line)])
def test_feeds_commands_are_there(line: str) -> None:
    words = words_of_feed(line)
    command, words = (key.commands[words[1]], words[1:]) if words[0] == "key" else (main.commands[words[0]], words)
    # a certificate that the step before has made
    words = [str(DEPLOY / "README.md") if word == "feed.cert.pem" else word for word in words]
    with Context(main), command.make_context(words[0], words[1:]) as context:
        assert context.params


def test_a_new_version_goes_to_each_process_in_turn() -> None:
    (names,) = (line.partition(" in ")[2].rstrip("; do").split() for line in COMMANDS if line.startswith("for name"))
    assert sorted(names) == FEED


def test_the_table_has_every_variable_and_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| [^|]+ \| ([^|]+) \|$", GUIDE, re.MULTILINE)
    told: dict[str, str] = {}
    for names, values in rows:
        several = re.findall(r"\w+", names)
        defaults = values.split(", ")
        told |= dict(zip(several, defaults if len(defaults) == len(several) else [values] * len(several), strict=True))
    given = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", COMPOSE.read_text()))
    assert told.keys() == given.keys()
    assert all(value in (given[name], "see compose.yaml") for name, value in told.items())
    assert set(re.findall(r"export (\w+)=\S+ (\w+)=", GUIDE)[0]) == GIVEN.keys()
    assert set(re.findall(r"\$\{(\w+):\?", PUBLIC.read_text())) == GIVEN.keys()


def test_the_file_of_variables_is_where_compose_looks_for_it() -> None:
    # beside the first file that -f names, wherever the command is given
    told = re.findall(r"`([\w./]*\.env)`", GUIDE)
    assert [ROOT / path for path in told] == [COMPOSE.parent / ".env"]


def test_addresses_are_those_that_are_published() -> None:
    published = {port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])}
    spoken = set(re.findall(r"(?:https?|wss)://localhost:(\d+)", GUIDE))
    assert spoken == published
    assert set(re.findall(r"ws://127\.0\.0\.1:(\d+)", GUIDE)) == {str(Values().gateway.port)}


def test_how_many_it_speaks_of() -> None:
    lasting = SERVICES.keys() - ONCE
    assert "Nine services are `Up ... (healthy)`" in GUIDE
    assert len(lasting) == NUMBERS["Nine"]
    targets = re.findall(r"targets> has (\w+)\s+targets", GUIDE)
    assert [NUMBERS[each] for each in targets] == [len(FEED) + 1]


def test_what_a_client_says_of_a_gateway_that_stops() -> None:
    delays = re.findall(rf"`closed with {int(Close.DRAIN)}; reconnecting in ([\d.]+) s`", GUIDE)
    assert [float(delay) <= DRAINED_S for delay in delays] == [True]


def test_versions_are_those_that_compose_yaml_asks_for() -> None:
    asked = re.findall(r"Needs Compose ([\d.]+) or later, with Docker (\d+)", COMPOSE.read_text())
    assert re.findall(r"Docker (\d+) or later with Compose ([\d.]+)", GUIDE) == [asked[0][::-1]]


@pytest.mark.parametrize("heading", ["Settings", "A new version, without a stop"])
def test_what_changes_is_looked_at_before_a_container_is_made_anew(heading: str) -> None:
    # `up` ends the containers that it replaces before it starts any, and so before `check` has looked
    section = GUIDE.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    commands = [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
    verbs = [verb for line in commands for verb in re.findall(r"compose\.yaml (\w+)", line) if verb != "build"]
    assert verbs[0] == "run"
    assert "run --rm check" in section


def test_a_wrong_setting_is_named_as_it_says() -> None:
    (told,) = re.findall(r"`(feed: FEED_[^`]+)`", GUIDE)
    name, value = re.findall(r'(FEED_\w+) = "(\w+)"', told)[0]
    asked = subprocess.run(
        [sys.executable, "-m", "feed", "config", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=30,
        env={"PATH": os.environ["PATH"], name: value},
    )  # fmt: skip
    assert (asked.returncode, asked.stderr.strip()) == (2, told)
    (added,) = re.findall(r"`(FEED_\w+)=\S+`", GUIDE)
    assert added in {variable(knob) for knob in knobs()}


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([\w./]+)", (DEPLOY / "README.md").read_text()))
def test_links_lead_somewhere(path: str) -> None:
    assert (DEPLOY / path).exists()
