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


def test_levels_below_are_left_out() -> None:
    assert [json.loads(line)["event"] for line in lines("error", "json")] == ["broken"]
    assert json.loads(lines("debug", "json")[0])["event"] == "too_fine"


@pytest.mark.parametrize("format", ["console", "json"])
def test_neither_bad_requests_nor_local_variables_are_told(format: str) -> None:
    text = "\n".join(lines("debug", format))
    assert "ZeroDivisionError" in text
    assert "hunter2" not in text
    assert "Error handling request" not in text
