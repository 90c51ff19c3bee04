"""How `feed watch` comes by its credentials."""

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from click.testing import CliRunner

from feed.cli import main
from feed.cli.watch import read_token
from feed.client.errors import Refused

WATCH = ("watch", "ws://127.0.0.1:1/v2/sim", "AAPL")


def given(*flags: str, **variables: str) -> dict[str, Any]:
    """What the client is told to present."""
    follow = AsyncMock(return_value=0)
    with patch("feed.client.watch.watch", follow), patch("feed.lifecycle.run", lambda work: asyncio.run(work(None))):
        result = CliRunner().invoke(main, [*WATCH, *flags], env=variables)
    assert result.exit_code == 0, result.output
    return dict(follow.call_args.kwargs)


def test_a_key_s_secret_is_in_the_environment_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("fs_b\n")
    for flags, variables in (((), {"FEED_SECRET": "fs_b"}), (("--secret-file", str(tmp_path / "secret")), {})):
        told = given("--key", "fk_a", *flags, **variables)
        assert (told["key"], told["secret"], told["token"]) == ("fk_a", "fs_b", "")


def test_a_secret_without_its_key_is_not_sent() -> None:
    assert given(FEED_SECRET="fs_b")["secret"] == ""


def test_a_token_is_read_again_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("t1\n")
    token = given("--token-file", str(path), "--ca", "ca.pem")["token"]
    assert token() == "t1"
    path.write_text("t2\n")
    assert token() == "t2"


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--key", "k"), "--key wants its secret: in FEED_SECRET, or in the file that --secret-file names"),
        (("--key", "k", "--secret-file", "/no/such"), "--secret-file /no/such: no such file or directory"),
        (("--key", "k", "--token-file", "t"), "give --key or --token-file, and not both"),
    ],
)
def test_says_what_is_missing(flags: tuple[str, ...], why: str) -> None:
    result = CliRunner().invoke(main, [*WATCH, *flags])
    assert (result.exit_code, result.stderr) == (2, f"feed: {why}\n")


@pytest.mark.parametrize(("content", "why"), [(None, "no such file"), (b"\xff", "is not text"), (b"a b", "no token")])
def test_a_file_without_a_token_is_said(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(Refused, match=why):
        read_token(tmp_path / "token")
