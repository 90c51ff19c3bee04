"""`feed health`: asks the admin ports of the settings, and tells by its exit code."""

import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from feed.bus.embedded import EmbeddedServer
from feed.cli import main
from feed.settings.sources import variable
from feed.settings.words import knobs
from tests.integration.service import running


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in knobs():
        monkeypatch.delenv(variable(key), raising=False)
    monkeypatch.delenv("FEED_CONFIG", raising=False)


def asked(*arguments: str, gateway: int | None = None, ingest: int | None = None) -> Result:
    """`feed health` where these are the admin ports; None: one where nobody listens."""
    with unused() as nobody:
        environment = {
            "FEED_GATEWAY__ADMIN_PORT": str(nobody if gateway is None else gateway),
            "FEED_INGEST__ADMIN_PORT": str(nobody if ingest is None else ingest),
            "FEED_GATEWAY__ADMIN_HOST": "0.0.0.0",
        }
        return CliRunner().invoke(main, ["health", *arguments], env=environment)


@contextmanager
def unused() -> Iterator[int]:
    """A port that is bound, so that nobody else takes it, and where nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


@pytest.fixture(scope="module")
def redis() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


def admin_port(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_a_gateway_is_ready_with_redis_and_only_alive_without(redis: EmbeddedServer) -> None:
    arguments = ("gateway", "--port", "0", "--admin-port", "0", "--redis", redis.url)
    with running("listening", *arguments) as service:
        port = admin_port(service.url("http", "admin"))
        while (result := asked(gateway=port)).exit_code:  # pytest's time-out is the deadline
            assert "the bus is not connected" in result.stderr
        assert result.stdout == "feed gateway: ready\n"
        assert asked("gateway", gateway=port).stdout == "feed gateway: ready\n"
        assert asked("ingest", gateway=port).exit_code == 1
    with unused() as nowhere, running("listening", *arguments[:-1], f"redis://127.0.0.1:{nowhere}/0") as service:
        port = admin_port(service.url("http", "admin"))
        result = asked(gateway=port)
        assert (result.exit_code, result.stderr) == (1, "feed: gateway: the bus is not connected\n")
        assert asked("--live", gateway=port).stdout == "feed gateway: ok\n"


def test_of_two_servers_both_must_be_well(redis: EmbeddedServer) -> None:
    with running("publishing", "ingest", "sim", "--admin-port", "0", "--redis", redis.url) as service:
        ingest = admin_port(service.url("http", "admin"))
        assert asked(ingest=ingest).stdout == "feed ingest: ready\n"
        with unused() as nowhere:
            arguments = ("gateway", "--port", "0", "--admin-port", "0", "--redis", f"redis://127.0.0.1:{nowhere}/0")
            with running("listening", *arguments) as other:
                gateway = admin_port(other.url("http", "admin"))
                result = asked(ingest=ingest, gateway=gateway)
                assert (result.exit_code, result.stderr) == (1, "feed: gateway: the bus is not connected\n")
                assert asked("ingest", ingest=ingest, gateway=gateway).exit_code == 0


def test_where_nobody_listens_it_says_where_it_asked() -> None:
    result = asked()
    assert result.exit_code == 1
    assert result.stderr.startswith("feed: no server: nobody listens at http://127.0.0.1:")
    assert asked("gateway").stderr.startswith("feed: gateway: nobody listens at http://127.0.0.1:")


def test_one_that_accepts_and_says_nothing_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # by its name: in the package it is the command
    monkeypatch.setattr(importlib.import_module("feed.cli.health"), "ANSWERS_WITHIN_S", 0.05)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        result = asked(gateway=port)
    assert (result.exit_code, result.stderr) == (1, f"feed: no answer from http://127.0.0.1:{port}: timed out\n")


def test_a_port_that_the_settings_do_not_tell_is_misuse() -> None:
    result = asked("gateway", gateway=0)
    assert result.exit_code == 2
    assert result.stderr.startswith("feed: gateway.admin_port = 0: ")
