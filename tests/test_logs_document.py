"""feed/LOGS.md has each event that the code logs, and no other; no line is made of free text or has a secret."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from feed.settings.words import knobs

FEED = Path(__file__).resolve().parent.parent / "feed"
DOCUMENT = (FEED / "LOGS.md").read_text()
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
SECRET = re.compile(r"secret|password|token|credential|cookie|authorization", re.IGNORECASE)


class Line(NamedTuple):
    where: str
    level: str
    call: ast.Call


def lines_of(source: str, where: str = "here") -> Iterator[Line]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            receiver = ast.unparse(node.func.value)
            if re.search(r"\blog", receiver):
                assert receiver.split(".")[-1] == "log", f"{where}: {receiver} is logged to by another name than log"
                yield Line(f"{where}:{node.lineno}", node.func.attr, node)


def all_lines() -> list[Line]:
    return [
        line
        for path in sorted(FEED.rglob("*.py"))
        for line in lines_of(path.read_text(), str(path.relative_to(FEED)))
    ]  # fmt: skip


def event(line: Line) -> str:
    """The event's name. Raises AssertionError for a line that has none, or text besides."""
    assert len(line.call.args) == 1, f"{line.where}: an event and keywords"
    (name,) = line.call.args
    assert isinstance(name, ast.Constant), f"{line.where}: an event is a constant"
    assert isinstance(name.value, str)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name.value), f"{line.where}: {name.value!r}"
    return name.value


def told_secrets(line: Line) -> list[str]:
    """What of the line's values is named like a secret."""
    values = [(keyword.arg or "", keyword.value) for keyword in line.call.keywords]
    return [name for name, value in values if SECRET.search(name) or SECRET.search(ast.unparse(value))]


def rows() -> dict[str, str]:
    """Event to level, as documented."""
    found = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert len(found) == len(re.findall(r"^\| `", DOCUMENT, re.MULTILINE))
    assert len({name for name, *_ in found}) == len(found), "an event has two rows"
    return {name: level for name, level, _, _ in found}


def test_the_document_has_exactly_these_events_and_their_levels() -> None:
    said = {(event(line), line.level) for line in all_lines()}
    assert len(said) > 40
    assert said == set(rows().items())


def test_each_outage_has_an_end() -> None:
    lost = {name.removesuffix("_lost") for name in rows() if name.endswith("_lost")}
    assert lost == {name.removesuffix("_back") for name in rows() if name.endswith("_back") and name != "keys_set_back"}
    assert len(lost) > 5
    by_name = {event(line): line for line in all_lines()}
    for what in lost:
        assert "away_s" in [keyword.arg for keyword in by_name[f"{what}_back"].call.keywords], what
        assert by_name[f"{what}_back"].level == "info"


@pytest.mark.parametrize("line", all_lines(), ids=lambda line: line.where)
def test_no_line_tells_a_secret(line: Line) -> None:
    assert told_secrets(line) == []


def test_each_module_logs_by_its_own_name() -> None:
    for path in FEED.rglob("*.py"):
        for found in re.findall(r"structlog\.(?:stdlib\.)?get_logger\((.*?)\)", path.read_text()):
            assert found == "__name__", path


def test_knobs_that_the_document_names_exist() -> None:
    named = set(re.findall(r"`([a-z]+\.[a-z_0-9]+)`", DOCUMENT))
    assert len(named) > 8
    assert named <= knobs().keys()


@pytest.mark.parametrize(
    "source",
    ['log.info(f"client {name}")', 'log.warning("Two Words")', 'log.error("lost", error)', 'self.log.info(name)'],
)  # fmt: skip
def test_what_is_no_event_is_found(source: str) -> None:
    (line,) = lines_of(source)
    with pytest.raises(AssertionError):
        event(line)


@pytest.mark.parametrize("source", ['log.info("a", token=x)', 'log.info("a", who=credentials.key)'])
def test_a_secret_is_found(source: str) -> None:
    (line,) = lines_of(source)
    assert told_secrets(line)


def test_another_name_for_a_log_is_found() -> None:
    with pytest.raises(AssertionError):
        list(lines_of('logger.info("a")'))
