"""`feed key`: what it prints, what it keeps, and how it refuses."""

import asyncio
import json
import logging
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from feed.access.keyring import Keyring, key_store
from feed.access.principal import Credentials, Refused
from feed.bus.embedded import EmbeddedServer
from feed.cli import main
from feed.settings import Values
from feed.settings.sources import variable
from feed.settings.words import knobs

LINES = re.compile(r"key (fk_[a-z2-7]{16})\nsecret (fs_[A-Za-z0-9_-]{43})\n")
EVERYTHING = (
    "--feeds", "binance,sim", "--kinds", "trades, quotes", "--symbols", "BTC/*,ETH/USDT", "--max-connections", "5",
    "--max-symbols", "100", "--max-rate", "5", "--expires", "90d",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in knobs():
        monkeypatch.delenv(variable(key), raising=False)
    monkeypatch.delenv("FEED_CONFIG", raising=False)


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """Each command says where its log goes, and the tests that follow want theirs where it went before."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.fixture(params=["file", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The flag that says where keys are kept."""
    if request.param == "file":
        yield ["--key-file", str(tmp_path / "keys.json")]
    else:
        with EmbeddedServer() as server:
            yield ["--redis", server.url]


def feed_key(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["key", *arguments], prog_name="feed")


def made(result: Result) -> tuple[str, str]:
    """Key and secret of the two lines that a program reads."""
    assert (result.exit_code, result.stderr) == (0, "")
    found = LINES.fullmatch(result.stdout)
    assert found, result.stdout
    return found[1], found[2]


def works(where: list[str], key: str, secret: str) -> str:
    """Whether a gateway of these settings lets somebody in: "", or why not."""
    section = {"--redis": {"redis": {"url": where[1]}}, "--key-file": {"auth": {"key_file": where[1]}}}[where[0]]

    async def ask() -> str:
        store = key_store(Values.model_validate(section))
        ring = Keyring(store)
        await ring.look()
        await store.close()
        try:
            await ring.authenticate(Credentials(key, secret))
        except Refused as refused:
            return refused.why.value
        return ""

    return asyncio.run(ask())


def test_a_key_lives_from_its_making_to_its_end(where: list[str]) -> None:
    key, secret = made(feed_key("create", "--name", "desk7", *EVERYTHING, *where))
    assert works(where, key, secret) == ""
    same, newer = made(feed_key("rotate", "desk7", *where))
    assert (same, newer != secret) == (key, True)
    assert [works(where, key, one) for one in (secret, newer)] == ["", ""]
    _, newest = made(feed_key("rotate", key, "--overlap", "0s", *where))
    assert [works(where, key, one) for one in (secret, newer, newest)] == ["bad_secret", "bad_secret", ""]
    result = feed_key("revoke", "desk7", *where)
    assert (result.exit_code, result.stdout) == (0, f"revoked desk7 ({key}): its connections end within 5 s\n")
    assert works(where, key, newest) == "revoked"


def test_the_list_shows_all_but_secrets(where: list[str]) -> None:
    _, secret = made(feed_key("create", "--name", "desk7", *EVERYTHING, *where))
    made(feed_key("create", "--name", "ops", "--operator", *where))
    made(feed_key("rotate", "desk7", *where))
    feed_key("revoke", "ops", *where)
    result = feed_key("list", *where)
    assert result.exit_code == 0
    head, *rows = [re.split(r"  +", line) for line in result.stdout.splitlines()]
    assert head == ["name", "key", "state", "feeds", "kinds", "symbols", "limits"]
    by_name = {row[0]: row[2:] for row in rows}
    assert by_name["ops"][0].startswith("revoked 2")
    assert by_name["ops"][1:] == ["all", "all", "all", "none, operator"]
    assert re.fullmatch(r"until \d{4}-\d\d-\d\d, former secret until .* UTC", by_name["desk7"][0])
    assert by_name["desk7"][1:] == ["binance, sim", "trades, quotes", "BTC/*, ETH/USDT", "5 clients, 100 symbols, 5/s"]
    listed = json.loads(feed_key("list", "--json", *where).stdout)
    assert {key["name"]: key["state"] for key in listed} == {"desk7": "in force", "ops": "revoked"}
    assert {key["name"]: key["operator"] for key in listed} == {"desk7": False, "ops": True}
    desk7 = next(key for key in listed if key["name"] == "desk7")
    assert (desk7["feeds"], desk7["max_rate"], len(desk7["former_secrets_end"])) == (["binance", "sim"], 5.0, 1)
    shown = result.output + json.dumps(listed)
    assert secret not in shown
    assert not re.search(r"fs_|[0-9a-f]{64}|digest", shown)


def test_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"keys": {}}')
    where = ["--key-file", str(tmp_path / "keys.json")]
    listed = feed_key("list", *where)
    assert listed.stdout.split() == ["name", "key", "state", "feeds", "kinds", "symbols", "limits"]
    assert json.loads(feed_key("list", "--json", *where).stdout) == []


def test_json_for_programs(tmp_path: Path) -> None:
    where = ["--key-file", str(tmp_path / "keys.json")]
    printed = json.loads(feed_key("create", "--name", "desk7", "--json", "--expires", "1d", *where).stdout)
    assert works(where, printed["key"], printed["secret"]) == ""
    assert printed["expires"] > printed["created"]
    rotated = json.loads(feed_key("rotate", "desk7", "--json", *where).stdout)
    assert rotated["key"] == printed["key"]
    assert works(where, rotated["key"], rotated["secret"]) == ""


def test_many_rotations_at_once_lose_no_secret(where: list[str]) -> None:
    """Each prints a secret; all of them must work, until the overlap ends."""
    key, _ = made(feed_key("create", "--name", "desk7", *where))
    command = [sys.executable, "-m", "feed", "key", "rotate", key, *where]
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, timeout=50), range(3)))
    assert [run.stderr for run in done] == [""] * 3
    secrets = [found[2] for found in map(LINES.fullmatch, (run.stdout for run in done)) if found]
    assert [works(where, key, secret) for secret in secrets] == [""] * 3


def test_names_are_those_of_keys_in_force(tmp_path: Path) -> None:
    where = ["--key-file", str(tmp_path / "keys.json")]
    key, _ = made(feed_key("create", "--name", "desk7", *where))
    taken = feed_key("create", "--name", "desk7", *where)
    assert (taken.exit_code, taken.stdout) == (1, "")
    assert taken.stderr.startswith(f"feed: a key named desk7 is in force: {key}; ")
    feed_key("revoke", key, *where)
    again, _ = made(feed_key("create", "--name", "desk7", *where))
    assert again != key
    feed_key("revoke", "desk7", *where)
    for command in ("revoke", "rotate"):
        for word in (key, "desk7"):
            assert feed_key(command, word, *where).exit_code == 1
    assert feed_key("revoke", key, *where).stderr == f"feed: desk7 ({key}) was revoked before\n"
    assert feed_key("rotate", key, *where).stderr == f"feed: {key} is revoked\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["create", "--name", "desk 7"],
            "--name: 'desk 7' is not 1 to 64 of A-Z a-z 0-9 . _ @ - (and no fk_ in front)",
        ),
        (["create", "--name", "fk_7"], "--name: 'fk_7' is not"),
        (["create", "--name", "a", "--feeds", "Sim"], "--feeds: 'Sim' is not 1 to 32 of a-z 0-9 _ -"),
        (["create", "--name", "a", "--feeds", " ,"], "--feeds: names nothing"),
        (["create", "--name", "a", "--kinds", "trade"], "--kinds: 'trade' is not one of trades, quotes, bars, bars1s"),
        (["create", "--name", "a", "--symbols", "BTC USD"], "--symbols: 'BTC USD' is not 1 to 64 of"),
        (["create", "--name", "a", "--max-connections", "0"], "--max-connections: 0 is not at least 1"),
        (["create", "--name", "a", "--max-symbols", "-1"], "--max-symbols: -1 is not at least 1"),
        (["create", "--name", "a", "--max-rate", "nan"], "--max-rate: nan is not from 0"),
        (["create", "--name", "a", "--expires", "90"], "--expires: '90' is not a duration such as 90d, 24h, 30m or 0s"),
        (["create", "--name", "a", "--expires", "0d"], "--expires: a key that ends after 0d lets nobody in"),
        (["rotate", "a", "--overlap", "1y"], "--overlap: '1y' is not a duration"),
        (["list", "--redis", "nowhere"], 'redis.url = "nowhere" (from --redis): must be'),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], line: str) -> None:
    path = tmp_path / "keys.json"
    result = feed_key(*arguments, "--key-file", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"feed: {line}")
    assert len(result.stderr.splitlines()) == 1
    assert not path.exists()


@pytest.mark.parametrize("command", [["list"], ["revoke", "desk7"], ["rotate", "desk7"], ["create", "--name", "desk7"]])
def test_a_store_in_trouble_is_one_line_and_exit_code_1(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "keys.json").write_text("{")
    (tmp_path / "keys.json").chmod(0o600)
    away = str(tmp_path / "away" / "keys.json")
    for where, words in (
        (["--redis", "redis://127.0.0.1:1/0"], "keys: cannot connect to Redis: "),
        (["--key-file", str(tmp_path / "keys.json")], f"keys: {tmp_path}/keys.json: no JSON: "),
        (["--key-file", away], f"keys: {tmp_path}/away"),
    ):
        result = feed_key(*command, *where)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"feed: {words}")
        assert len(result.stderr.splitlines()) == 1


def test_a_key_that_nobody_has(where: list[str]) -> None:
    made(feed_key("create", "--name", "desk7", *where))
    for command in ("revoke", "rotate"):
        result = feed_key(command, "desk8", *where)
        assert result.exit_code == 1
        assert result.stderr == "feed: no key has the name or the id 'desk8'; `feed key list` shows all\n"


def test_a_key_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    where = ["--key-file", str(path)]
    made(feed_key("create", "--name", "desk7", *where))
    held = json.loads(path.read_text())
    held["keys"]["fk_" + "a" * 16] = {"v": 2}
    path.write_text(json.dumps(held))
    result = feed_key("list", *where)
    assert result.exit_code == 1
    assert "desk7" in result.stdout
    assert result.stderr == f"feed: unreadable key 'fk_{'a' * 16}': of a version that is not known here\n"
    feed_key("revoke", "desk7", *where)
    assert json.loads(path.read_text())["keys"]["fk_" + "a" * 16] == {"v": 2}


def test_a_warning_does_not_come_between_key_and_secret(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made(feed_key("create", "--name", "desk7", "--key-file", str(path)))
    path.chmod(0o644)
    result = feed_key("list", "--key-file", str(path))
    assert "key_file_open_to_others" in result.stderr
    assert result.stdout.startswith("name ")


def test_a_file_of_keys_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = os.umask(0)
    try:
        key, secret = made(feed_key("create", "--name", "desk7", "--key-file", str(path)))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key in path.read_text()
    assert secret not in path.read_text()


def test_people_are_told_how_to_use_it(tmp_path: Path) -> None:
    def on_a_terminal(*arguments: str) -> str:
        command = [sys.executable, "-m", "feed", "key", *arguments, "--key-file", str(tmp_path / "keys.json")]
        leader, follower = pty.openpty()
        try:
            done = subprocess.run(command, stdout=follower, stderr=subprocess.PIPE, timeout=50, check=True)
            assert done.stderr == b""
            return os.read(leader, 65_536).decode()
        finally:
            os.close(leader)
            os.close(follower)

    (tmp_path / "keys.json").write_text('{"keys": {}}')
    (tmp_path / "keys.json").chmod(0o600)
    assert "no keys; make one with: feed key create" in on_a_terminal("list")
    block = on_a_terminal("create", "--name", "desk7", *EVERYTHING)
    for words in ("The secret is shown this once", '"action":"auth"', "5 clients, 100 symbols, 5/s", "binance, sim"):
        assert words in block
    assert len(re.findall(r"fs_[A-Za-z0-9_-]{43}", block)) == 1
    assert "the former secret works until" in on_a_terminal("rotate", "desk7")
    assert "desk7" in on_a_terminal("list")


def test_no_secret_can_be_given_on_the_command_line() -> None:
    for command in main.commands["key"].commands.values():  # type: ignore[attr-defined]
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert not {flag for flag in flags if "secret" in flag or "password" in flag}


@pytest.mark.parametrize("name", sorted(main.commands["key"].commands))  # type: ignore[attr-defined]
def test_every_command_has_help_with_an_example_and_the_shared_options(name: str) -> None:
    result = feed_key(name, "--help")
    assert result.exit_code == 0
    assert re.search(rf"^  Examples?:\n.*^    feed key {name}", result.output, re.MULTILINE | re.DOTALL)
    command = main.commands["key"].commands[name]  # type: ignore[attr-defined]
    assert {"--config", "--redis", "--key-file"} <= {flag for parameter in command.params for flag in parameter.opts}
