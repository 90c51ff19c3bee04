"""The command line: help that teaches, faults in one line."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from feed import __version__
from feed.bus.embedded import EmbeddedServer
from feed.cli import main, options
from feed.cli.gateway import refuse_public
from feed.cli.serving import url
from feed.settings.sources import Given, load, variable
from feed.settings.words import knobs
from tests.cli.calling import feed, no_variables  # noqa: F401 - a fixture of all tests here

COMMANDS = sorted(main.commands)
# a group's own commands have the options, see tests/cli/test_key.py
SINGLE = [name for name in COMMANDS if not isinstance(main.commands[name], click.Group)]


def options_of(name: str) -> list[click.Option]:
    return [parameter for parameter in main.commands[name].params if isinstance(parameter, click.Option)]


def test_help_names_every_command() -> None:
    result = feed("--help")
    assert result.exit_code == 0
    assert all(re.search(rf"^  {name} ", result.output, re.MULTILINE) for name in COMMANDS)


def test_version() -> None:
    assert feed("--version").output == f"feed, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = feed(name, "--help")
    assert result.exit_code == 0
    assert re.search(rf"^  Examples?:\n.*^    .*feed {name}", result.output, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_and_those_of_knobs_name_their_variable(name: str) -> None:
    for option in options_of(name):
        assert option.help, option.opts
        section, _, knob = str(option.name).partition("__")
        if knob and section != "venue":
            assert f"{section}.{knob}" in knobs()
            assert variable(f"{section}.{knob}") in option.help
            assert options.variable(f"{section}.{knob}") == variable(f"{section}.{knob}")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy; sys.argv = ['feed', '--help']\n"
        "try: runpy.run_module('feed', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = ('aiohttp', 'pydantic', 'redis', 'rich', 'structlog', 'prometheus_client', 'uvloop')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# Faults


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["gateway", "--port", "x"], 'gateway.port = "x" (from --port): must be a whole number from 0 to 65535'),
        (["config", "--redis", "nowhere"], 'redis.url = "nowhere" (from --redis): must be a redis://'),
        (["config", "--config", "no.toml"], "no.toml: no such file"),
        (["ingest", "binanec"], "no source for feed 'binanec': there is sim, binance; did you mean binance?"),
        (["ingest", "binance", "--symbols", "btc"], "symbol 'btc' is not a Binance symbol"),
        (["ingest", "sim", "--venue-url", "ws://x"], 'sim.url = "ws://x" (from --venue-url): no such setting'),
        (
            ["ingest", "binance", "--venue-url", "ws://a:99999"],
            'binance.url = "ws://a:99999" (from --venue-url): must be ws://HOST or wss://HOST, with a :PORT from 1 to',
        ),
        (["ingest", "binance", "--venue-url", "ws://[x"], 'binance.url = "ws://[x" (from --venue-url): must be ws://'),
        (["ingest", "sim", "--rate", "0"], 'sim.ticks_per_s = "0" (from --rate): must be a number above 0'),
        (
            ["gateway", "--host", "0.0.0.0"],
            'gateway.host = "0.0.0.0" (from --host): must be a loopback address while auth.mode is "none"',
        ),
        (["demo", "--host", "::"], 'gateway.host = "::" (from --host): must be a loopback address'),
        (["config", "gateway"], "gateway: what a server needs is looked at with --check"),
        (["config", "--check", "ingest"], "ingest: must be gateway, or ingest with a feed"),
        (["config", "--check", "ingest", "binanec"], "no source for feed 'binanec': there is sim, binance; did you"),
        (["config", "--check", "--redis", "redis+cluster://h:x"], "redis.url: not understood: redis+cluster://HOST"),
        (["config", "--check", "--redis", "redis://:p@h:w/@h"], "redis.url: not understood; in a user or password"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments: list[str], line: str) -> None:
    result = feed(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"feed: {line}")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_permission(host: str) -> None:
    settings = load(None, {"gateway.host": Given(host, "--host")})
    refuse_public(settings.values, "--host")


def test_a_public_address_needs_permission_once() -> None:
    settings = load(
        None, {"gateway.host": Given("0.0.0.0", "--host"), "auth.insecure_public": Given(True, "--insecure-public")}
    )
    refuse_public(settings.values, "--host")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_addresses_that_are_told_can_be_visited(host: str, expected: str) -> None:
    assert url(host, 80) == expected


@pytest.mark.parametrize("name", SINGLE)
def test_every_command_takes_the_shared_options(name: str) -> None:
    assert {"--config", "--redis"} <= {flag for option in options_of(name) for flag in option.opts}


@pytest.mark.parametrize(
    "arguments", [["watch", "ws://127.0.0.1:1/v2/sim", "AAPL"], ["replay", __file__], ["demo"], ["ingest", "sim"]]
)
def test_every_command_refuses_wrong_settings_alike(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "my.toml").write_text("[log]\nlevel = 3\n")
    result = feed(*arguments, "--config", str(tmp_path / "my.toml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"feed: log.level = 3 (from {tmp_path}/my.toml): must be one of debug, info, warning, error\n"
    )


def test_the_replays_port_is_the_one_that_its_example_visits() -> None:
    (port,) = (option.default for option in options_of("replay") if option.name == "port")
    assert port == 9001
    assert f"ws://127.0.0.1:{port}\n" in feed("replay", "--help").output


# Servers


@pytest.fixture
def redis() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


def server(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "feed", *arguments, "--admin-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["gateway", "--port", "0"],
            r"feed gateway: listening on http://127\.0\.0\.1:\d+ · admin http://127\.0\.0\.1:\d+\n",
        ),
        (["ingest", "sim"], r"feed ingest sim: publishing · admin http://127\.0\.0\.1:\d+\n"),
    ],
)
def test_a_server_says_in_one_line_that_it_is_ready(redis: EmbeddedServer, arguments: list[str], line: str) -> None:
    with server(*arguments, "--redis", redis.url) as process:
        assert process.stdout is not None
        assert re.fullmatch(line, process.stdout.readline())
        process.terminate()
        out, _ = process.communicate(timeout=30)
        assert (out, process.returncode) == ("", 0)


@pytest.mark.parametrize("arguments", [["gateway", "--port", "0"], ["ingest", "sim"]])
def test_a_redis_that_refuses_is_one_line(redis: EmbeddedServer, arguments: list[str]) -> None:
    with server(*arguments, "--redis", f"redis://127.0.0.1:{redis.port}/99") as process:
        _, err = process.communicate(timeout=30)
        lines = [line for line in err.splitlines() if not line.startswith("{")]  # the log's say that it started
        assert (lines, process.returncode) == (["feed: Redis refused: DB index is out of range"], 1)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["gateway", "--port", "PORT"], "gateway: ADDRESS; choose another with --port or FEED_GATEWAY__PORT"),
        (["gateway", "--port", "0", "--admin-port", "PORT"], "admin: ADDRESS; choose another with --admin-port or"),
        (["ingest", "sim", "--admin-port", "PORT"], "admin: ADDRESS; choose another with --admin-port or FEED_INGEST"),
    ],
)
def test_a_port_that_is_taken_is_one_line_with_the_remedy(arguments: list[str], remedy: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "feed", *(port if word == "PORT" else word for word in with_admin(arguments))],
            capture_output=True,
            text=True,
            timeout=30,
        )
    address = f"cannot listen on 127.0.0.1:{port}: address already in use"
    assert done.stderr.startswith(f"feed: {remedy.replace('ADDRESS', address)}")
    assert (len(done.stderr.splitlines()), done.stdout, done.returncode) == (1, "", 1)


def with_admin(arguments: list[str]) -> list[str]:
    return arguments if "--admin-port" in arguments else [*arguments, "--admin-port", "0"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ingest", "sim", "--host", "192.0.2.1", "--admin-port", "0"], 1, "cannot assign requested address"),
        (["watch", "ws://127.0.0.1:1/v3", "AAPL"], 2, "the path is not /v2/FEED"),
        (["replay", __file__, "--port", "0"], 2, f"{__file__}:1: "),
        (["replay", "no.gz", "--port", "0"], 2, "no.gz: No such file"),
        (["replay", __file__, "--venue", "nyse"], 2, "venue 'nyse' is not one of"),
    ],
)
def test_what_cannot_be_served_is_one_line(arguments: list[str], code: int, words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "feed", *arguments], capture_output=True, text=True, timeout=30)
    assert words in done.stderr
    assert (len(done.stderr.splitlines()), done.stdout, done.returncode) == (1, "", code)
