"""`feed trace` as it is called: what it makes of its arguments, and how it ends."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from feed.bus.embedded import EmbeddedServer
from feed.cli import main


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        ("AAPL", "stream 'AAPL' is not feed:kind:symbol"),
        ("sim:candles:AAPL", "stream 'sim:candles:AAPL': kind 'candles' is not one of trades, quotes, bars, bars1s"),
        ("sim:trades:A B", "stream 'sim:trades:A B': symbol 'A B' is not 1 to 64 of A-Z a-z 0-9 . _ / : ^ -"),
    ],
)
def test_a_wrong_name_is_one_line_and_exit_code_2(stream: str, why: str) -> None:
    result = CliRunner().invoke(main, ["trace", stream])
    assert (result.exit_code, result.stderr, result.stdout) == (2, f"feed: {why}\n", "")


@pytest.mark.parametrize("seconds", ["0", "-1", "soon"])
def test_seconds_are_more_than_none(seconds: str) -> None:
    assert CliRunner().invoke(main, ["trace", "sim:trades:A", "--seconds", seconds]).exit_code == 2


def trace(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "feed", "trace", *arguments], capture_output=True, text=True, timeout=40, check=False
    )


def test_json_for_programs_and_an_unknown_stream() -> None:
    with EmbeddedServer() as server:
        done = trace("sim:trades:A", "--json", "--once", "--redis", server.url)
    assert (done.returncode, done.stderr) == (1, "")
    look = json.loads(done.stdout)
    assert (look["stream"], look["redis"]["seq"], look["gateways"]) == ("sim:trades:A", 0, [])


def test_a_redis_that_can_t_be_reached_is_waited_for() -> None:
    done = trace("sim:trades:A", "--once", "--redis", "redis://127.0.0.1:1/0")
    assert (done.returncode, done.stderr) == (1, "")
    assert "Redis is away: cannot connect to Redis" in done.stdout


def test_a_redis_that_refuses_is_one_line() -> None:
    with EmbeddedServer() as server:
        done = trace("sim:trades:A", "--redis", f"redis://127.0.0.1:{server.port}/99")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "feed: Redis refused: DB index is out of range\n")
