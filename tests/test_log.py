"""Log lines as a program and as a person read them."""

import json
import subprocess
import sys

import pytest

CODE = """
import logging, structlog
from feed.log import configure
configure("debug", "console")
configure({level!r}, {format!r})  # the last word, not one more voice
log = structlog.get_logger()
log.debug("too_fine")
log.info("client_connected", feed="sim")
logging.getLogger("library").warning("it %s", "happens")
logging.getLogger("aiohttp.access").info("GET /")
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp import ClientConnectionResetError
for fault in (BadHttpMessage("APCA-API-SECRET-KEY hunter2"), ClientConnectionResetError("gone")):
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=fault)
secret = "hun" + "ter2"
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken")
"""


def lines(level: str, format: str) -> list[str]:
    code = CODE.format(level=level, format=format)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("format", ["auto", "json"])
def test_where_no_terminal_is_each_line_is_a_json_object(format: str) -> None:
    records = [json.loads(line) for line in lines("info", format)]
    assert [(record["level"], record["event"]) for record in records] == [
        ("info", "client_connected"),
        ("warning", "it happens"),
        ("error", "broken"),
    ]
    assert records[0]["feed"] == "sim"
    assert records[0]["timestamp"].endswith("Z")
    assert records[2]["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_console_lines_are_plain_where_no_terminal_is() -> None:
    text = "\n".join(lines("info", "console"))
    assert "client_connected" in text
    assert "feed=sim" in text
    assert "ZeroDivisionError" in text
    assert "\x1b" not in text


def test_each_line_says_when_how_bad_and_who_says_it() -> None:
    for line in lines("debug", "json"):
        record = json.loads(line)
        assert list(record)[:4] == ["timestamp", "level", "logger", "event"]


FLOOD = """
import logging, structlog
from feed.log import configure
configure("debug", "json", 3)
log, other = structlog.get_logger("ours"), logging.getLogger("library")
for n in range(10):
    log.debug("fine", n=n)
    log.warning("refused", n=n)
    log.warning("refused", feed="sim", n=n)
    log.error("refused", n=n)
    other.warning("flood %d", n)
log.info("one_more")
"""


def test_a_flood_is_a_few_lines_of_each_kind_and_the_last_line_says_how_many_more_there_were() -> None:
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    *records, last = [json.loads(line) for line in done.stderr.splitlines()]
    kinds = [(record["event"].split()[0], record.get("feed"), record["level"]) for record in records]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        ("fine", None, "debug"): 10,
        ("refused", None, "warning"): 3,
        ("refused", "sim", "warning"): 3,
        ("refused", None, "error"): 3,
        ("flood", None, "warning"): 3,
        ("one_more", None, "info"): 1,
    }
    assert (last["event"], last["level"], last["left_out"]) == ("lines_left_out", "warning", 28)
    assert last["events"] == {"refused": 14, "refused sim": 7, "library": 7}


AFTER = """
import itertools, logging, structlog
from types import SimpleNamespace
from feed import log as of_feed
clock = itertools.chain([0.0] * 7, itertools.repeat(11.0))
of_feed.time = SimpleNamespace(monotonic=lambda: next(clock))
of_feed.configure("info", "json", 2)
for n in range(4):
    structlog.get_logger("ours").warning("refused", n=n)
for n in range(3):
    logging.getLogger("library").warning("flood %d", n)
structlog.get_logger("ours").warning("refused", n=9)
logging.getLogger("library").warning("after")
"""


def test_the_first_line_after_a_flood_says_how_many_were_left_out() -> None:
    done = subprocess.run([sys.executable, "-c", AFTER], capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(record["event"], record.get("left_out")) for record in records] == [
        ("refused", None), ("refused", None), ("flood 0", None), ("flood 1", None), ("refused", 2), ("after", 1),
    ]  # fmt: skip


def test_levels_below_are_left_out() -> None:
    assert [json.loads(line)["event"] for line in lines("error", "json")] == ["broken"]
    assert json.loads(lines("debug", "json")[0])["event"] == "too_fine"


@pytest.mark.parametrize("format", ["console", "json"])
def test_neither_bad_requests_nor_local_variables_are_told(format: str) -> None:
    text = "\n".join(lines("debug", format))
    assert "ZeroDivisionError" in text
    assert "hunter2" not in text
    assert "Error handling request" not in text
