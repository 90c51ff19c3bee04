"""`feed config`: the table of settings, and what a check finds."""

import re
from pathlib import Path

import pytest

from feed.settings.words import knobs
from tests.cli.calling import feed, no_variables  # noqa: F401 - a fixture of all tests here

CONFIG = Path(__file__).resolve().parents[2] / "config" / "feed.toml"


def test_config_shows_every_knob_with_unit_and_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[history]\nseconds = 90\n")
    monkeypatch.setenv("FEED_GATEWAY__PORT", "81")
    result = feed("config", "--config", str(path), "--redis", "redis://u:hunter2@h:1/0")
    lines = [re.split(r"  +", line) for line in result.stdout.splitlines()]
    assert lines[0] == ["key", "value", "unit", "from"]
    assert [line[0] for line in lines[1:]] == list(knobs())
    assert ["history.seconds", "90", "s", str(path)] in lines
    assert ["gateway.port", "81", "FEED_GATEWAY__PORT"] in lines
    assert ["redis.url", '"redis://u:***@h:1/0"', "--redis"] in lines
    assert ["gateway.feeds", '["sim", "binance"]', "default"] in lines
    assert "hunter2" not in result.output


def test_config_file_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_CONFIG", str(CONFIG))
    assert "default\n" not in feed("config").stdout


def test_config_without_origin() -> None:
    assert "default" not in feed("config", "--no-origin").stdout


def test_config_check_is_silent_and_tells_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    result = feed("config", "--check", "--config", str(CONFIG))
    assert (result.exit_code, result.output) == (0, "")
    monkeypatch.setenv("FEED_SIM__SEED", "x")
    result = feed("config", "--check")
    assert (result.exit_code, result.stderr) == (
        2,
        'feed: sim.seed = "x" (from FEED_SIM__SEED): must be a whole number\n',
    )


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"FEED_GATEWAY__HOST": "0.0.0.0"}, 'gateway.host = "0.0.0.0" (from FEED_GATEWAY__HOST): must be a loopback'),
        ({"FEED_GATEWAY__TLS_CERT": "/none", "FEED_GATEWAY__TLS_KEY": "/none"}, "gateway.tls_cert: /none: no such"),
        (
            {"FEED_AUTH__MODE": "jwt", "FEED_AUTH__JWT_PUBLIC_KEY": "/none", "FEED_AUTH__JWT_ISSUER": "a",
             "FEED_AUTH__JWT_AUDIENCE": "b"},
            "auth.jwt_public_key: /none: No such file",
        ),
    ],
)  # fmt: skip
def test_config_check_of_a_gateway_finds_what_it_would_end_with(
    variables: dict[str, str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert feed("config", "--check").exit_code == 0
    result = feed("config", "--check", "gateway")
    assert (result.exit_code, result.stderr[: len(line) + 6]) == (2, f"feed: {line}")
