"""`feed gateway` at its start: what it refuses, what it warns of, what it announces."""

import datetime
import json
import ssl
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from feed.access.self_signed import make_certificate
from feed.cli import main
from feed.cli.gateway import warn
from feed.settings.sources import Given, load
from tests.integration.service import running

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
ANY_PORT = ("--port", "0", "--admin-port", "0")


def refused(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["gateway", *ANY_PORT, *arguments], env=environment)
    return result.exit_code, result.stderr


def test_a_public_address_without_authentication_is_refused_and_says_what_to_configure(redis_url: str) -> None:
    code, said = refused("--host", "0.0.0.0", "--redis", redis_url)
    assert code == 2
    for words in ('auth.mode to "keys"', "feed key create", '"jwt"', "--insecure-public"):
        assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_certificate_that_cannot_be_used_is_one_line(redis_url: str, tmp_path: Path, workers: str) -> None:
    old = make_certificate(tmp_path, lasts=-datetime.timedelta(days=1))
    files = {"FEED_GATEWAY__TLS_CERT": str(old.cert), "FEED_GATEWAY__TLS_KEY": str(old.key)}
    with pytest.raises(RuntimeError) as caught, running(
        "listening", "gateway", *ANY_PORT, "--redis", redis_url, "--workers", workers, environment=files
    ):  # fmt: skip
        pass
    assert "ended with 1" in str(caught.value)
    assert f"feed: gateway.tls_cert: {old.cert}: it expired on " in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_with_a_certificate_it_announces_https_and_serves_it(redis_url: str, tmp_path: Path, workers: str) -> None:
    pair = make_certificate(tmp_path)
    files = {"FEED_GATEWAY__TLS_CERT": str(pair.cert), "FEED_GATEWAY__TLS_KEY": str(pair.key)}
    arguments = ("gateway", *ANY_PORT, "--feeds", "sim", "--redis", redis_url, "--workers", workers)
    with running("listening", *arguments, environment=files) as service:
        trust = ssl.create_default_context(cafile=str(pair.cert))
        address = f"{service.url('https')}/v2/sim/symbols"
        with urllib.request.urlopen(address, timeout=10, context=trust) as answer:
            assert json.load(answer)["feed"] == "sim"


def test_it_says_that_nobody_can_get_in_while_there_is_no_key(redis_url: str) -> None:
    keys = {"FEED_AUTH__MODE": "keys"}
    arguments = ("gateway", *ANY_PORT, "--redis", redis_url)
    with running("listening", *arguments, environment=keys) as service:
        pass
    assert sum("nobody can get in" in line and "feed key create" in line for line in service.errors) == 1
    made = CliRunner().invoke(main, ["key", "create", "--name", "desk", "--redis", redis_url])
    assert made.exit_code == 0, made.stderr
    with running("listening", *arguments, environment=keys) as service:
        pass
    assert not any("nobody can get in" in line for line in service.errors)


def test_a_password_on_the_command_line_and_a_star_are_warned_of(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = redis_url.replace("redis://", "redis://:hunter2@")
    warn(load(None, {"redis.url": Given(address, "--redis"), "gateway.origins": Given("*", "--origins")}))
    said = capsys.readouterr().err
    assert "--redis has a password, and everyone on this machine sees command lines: use FEED_REDIS__PASSWORD" in said
    assert 'gateway.origins has "*" (from --origins)' in said
    assert "hunter2" not in said
    warn(load(None, {"redis.url": Given(address, "FEED_REDIS__URL")}))
    assert capsys.readouterr().err == ""
