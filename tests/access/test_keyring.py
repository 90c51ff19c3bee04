"""The keys as a gateway knows them: who gets in, who has to go, and what holds while the store is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from structlog.testing import capture_logs

from feed.access import keyring as module
from feed.access.key_file import BrokenFile, KeyFile
from feed.access.keyring import Keyring, KeyStore, key_store
from feed.access.principal import Authenticator, Credentials, Principal, Refused, Why
from feed.bus.embedded import EmbeddedServer
from feed.bus.errors import BusDown, BusRefused
from feed.bus.keys import RedisKeys
from feed.core.grant import grant
from feed.core.keys import Edit, Kept, KeyRecord, Stored, digest, proof, rotated, to_json
from feed.settings import Redis, Values

NOW = 1_800_000_000.0
SECRET = "fs_the-secret-of-a-test"
GRANT = grant(feeds=["sim"], max_connections=2)
KEY = KeyRecord("fk_" + "a" * 16, "desk7", GRANT, (Kept(digest(SECRET)),), NOW)
OTHER = KEY._replace(id="fk_" + "b" * 16, name="desk8")


class Shelf:
    """A store of which a test says what it holds, and how it fails."""

    def __init__(self, *records: KeyRecord) -> None:
        self.version = 0
        self.keys: dict[str, bytes] = {}
        self.fault: Exception | None = None
        self.closed = False
        self.put(*records)

    def put(self, *records: KeyRecord) -> None:
        self.keys |= {record.id: to_json(record) for record in records}
        self.version += 1

    async def read(self, version: str) -> Stored | None:
        if self.fault is not None:
            raise self.fault
        return None if version == str(self.version) else Stored(str(self.version), dict(self.keys))

    async def change(self, edit: Edit) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed = True


def refusal(ring: Keyring, credentials: Credentials) -> Refused:
    with pytest.raises(Refused) as refused:
        asyncio.run(ring.authenticate(credentials))
    return refused.value


def looked(shelf: Shelf) -> Keyring:
    ring = Keyring(shelf, lambda: NOW)
    asyncio.run(ring.look())
    return ring


def admitted(ring: Keyring, record: KeyRecord = KEY, secret: str = SECRET) -> Principal:
    return asyncio.run(ring.authenticate(Credentials(record.id, secret)))


def test_a_key_and_its_secret_are_a_principal() -> None:
    ring: Authenticator = looked(Shelf(KEY, OTHER))
    assert ring.required
    principal = asyncio.run(ring.authenticate(Credentials(KEY.id, SECRET)))
    assert principal == Principal(KEY.id, GRANT, None, proof(digest(SECRET)))
    assert ring.standing(principal, NOW) is None


@pytest.mark.parametrize(
    ("record", "credentials", "why"),
    [
        (KEY, Credentials(KEY.id, "fs_wrong"), Why.BAD_SECRET),
        (KEY, Credentials(KEY.id, digest(SECRET)), Why.BAD_SECRET),
        (KEY, Credentials(KEY.id), Why.BAD_SECRET),
        (KEY, Credentials(OTHER.id, SECRET), Why.NO_KEY),
        (KEY._replace(revoked=NOW), Credentials(KEY.id, SECRET), Why.REVOKED),
        (KEY._replace(expires=NOW), Credentials(KEY.id, SECRET), Why.EXPIRED),
        (KEY._replace(secrets=(Kept("0" * 64), Kept(digest(SECRET), NOW))), Credentials(KEY.id, SECRET), Why.EXPIRED),
    ],
)
def test_who_is_refused_and_why(record: KeyRecord, credentials: Credentials, why: Why) -> None:
    refused = refusal(looked(Shelf(record)), credentials)
    assert (refused.why, refused.who) == (why, credentials.key)
    assert SECRET not in repr(refused) + str(refused)


def test_a_token_is_not_a_keys_matter() -> None:
    assert refusal(looked(Shelf(KEY)), Credentials(token="a.b.c")).why is Why.NOT_ACCEPTED


@pytest.mark.parametrize("key", [SECRET, "desk7", "fk_", "x" * 10_000, "fk_" + "a" * 15 + "\n", "\ud800"])
def test_only_what_has_the_form_of_an_id_is_told(key: str) -> None:
    refused = refusal(looked(Shelf(KEY)), Credentials(key, SECRET))
    assert (refused.why, refused.who) == (Why.NO_KEY, "")


def test_before_the_first_look_nobody_can_be_judged() -> None:
    shelf = Shelf(KEY)
    shelf.fault = BusDown("away")
    ring = Keyring(shelf, lambda: NOW)
    asyncio.run(ring.look())
    assert (ring.ready, ring.current) == (False, False)
    refused = refusal(ring, Credentials(KEY.id, SECRET))
    assert (refused.why, refused.who) == (Why.UNAVAILABLE, KEY.id)
    shelf.fault = None
    asyncio.run(ring.look())
    assert (ring.ready, ring.current) == (True, True)
    assert admitted(ring).id == KEY.id


def test_a_store_without_keys_lets_nobody_in() -> None:
    assert refusal(looked(Shelf()), Credentials(KEY.id, SECRET)).why is Why.NO_KEY


def test_who_has_to_go() -> None:
    shelf = Shelf(KEY, OTHER)
    ring = looked(shelf)
    principal = admitted(ring)

    def after(record: KeyRecord, now: float = NOW) -> Why | None:
        shelf.put(record)
        asyncio.run(ring.look())
        assert ring.standing(admitted(ring, OTHER), now) is None, "another key's client stays"
        return ring.standing(principal, now)

    assert after(KEY._replace(name="renamed")) is None
    assert after(KEY._replace(expires=NOW + 60), NOW + 59) is None
    assert after(KEY._replace(expires=NOW + 60), NOW + 60) is Why.EXPIRED
    overlapping = rotated(KEY, digest("fs_new"), 60.0, NOW)
    assert after(overlapping, NOW + 59) is None
    assert after(overlapping, NOW + 60) is Why.EXPIRED
    assert ring.standing(admitted(ring, KEY, "fs_new"), NOW + 60) is None
    assert after(rotated(KEY, digest("fs_new"), 0.0, NOW)) is Why.EXPIRED
    assert after(KEY._replace(revoked=NOW)) is Why.REVOKED
    del shelf.keys[KEY.id]
    shelf.version += 1
    asyncio.run(ring.look())
    assert ring.standing(principal, NOW) is Why.NO_KEY


FAULTS = [BusDown("away"), BusRefused("NOPERM"), BrokenFile("keys.json: no JSON"), OSError(5, "Input/output error")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_while_the_store_is_away_what_was_known_counts_and_is_told_once(fault: Exception) -> None:
    shelf = Shelf(KEY)
    ring = looked(shelf)
    principal = admitted(ring)
    shelf.fault = fault
    with capture_logs() as logs:
        for _ in range(3):
            asyncio.run(ring.look())
        assert (ring.ready, ring.current) == (True, False)
        assert admitted(ring) == principal
        assert ring.standing(principal, NOW) is None
        shelf.fault = None
        asyncio.run(ring.look())
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("keys_lost", "error"),
        ("keys_back", "info"),
    ]
    assert ring.current


def test_a_key_that_cannot_be_read_lets_nobody_in_and_is_told_once() -> None:
    shelf = Shelf(KEY, OTHER)
    ring = looked(shelf)
    principal = admitted(ring)
    with capture_logs() as logs:
        shelf.keys[KEY.id] = b'{"v":2}'  # by a newer version, which may have revoked it
        shelf.version += 1
        asyncio.run(ring.look())
        shelf.put(OTHER._replace(name="desk9"))
        asyncio.run(ring.look())
    assert [line["event"] for line in logs].count("key_unreadable") == 1
    assert ring.standing(principal, NOW) is Why.NO_KEY
    assert admitted(ring, OTHER).id == OTHER.id


@asynccontextmanager
async def followed(ring: Keyring) -> AsyncIterator[None]:
    """Runs the keyring, from its first look on."""
    task = asyncio.create_task(ring.run())
    try:
        await until(lambda: ring.ready)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20.0):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


def test_it_closes_its_store() -> None:
    async def main() -> None:
        shelf = Shelf(KEY)
        async with followed(Keyring(shelf)):
            assert not shelf.closed
        assert shelf.closed

    asyncio.run(main())


def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    assert isinstance(key_store(Values()), RedisKeys)
    file = Values.model_validate({"auth": {"key_file": str(tmp_path / "keys.json")}})
    assert isinstance(key_store(file), KeyFile)


def test_a_key_or_a_secret_of_a_moment_ago_lets_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 3_600.0)

    async def main(store: KeyFile, writer: KeyFile) -> None:
        await writer.change(lambda _: (OTHER.id, to_json(OTHER)))
        ring = Keyring(store, lambda: NOW)
        async with followed(ring):
            assert (await refused(ring, Credentials(KEY.id, SECRET))).why is Why.NO_KEY
            await writer.change(lambda _: (KEY.id, to_json(KEY)))
            assert (await ring.authenticate(Credentials(KEY.id, SECRET))).id == KEY.id
            await writer.change(lambda _: (KEY.id, to_json(rotated(KEY, digest("new"), 0.0, NOW))))
            assert (await ring.authenticate(Credentials(KEY.id, "new"))).id == KEY.id
            assert (await refused(ring, Credentials(KEY.id, SECRET))).why is Why.BAD_SECRET

    with TemporaryDirectory() as folder:
        asyncio.run(main(*(KeyFile(Path(folder) / "keys.json") for _ in range(2))))


async def refused(ring: Keyring, credentials: Credentials) -> Refused:
    with pytest.raises(Refused) as raised:
        await ring.authenticate(credentials)
    return raised.value


@pytest.mark.parametrize("where", ["redis", "file"])
def test_a_change_reaches_a_running_gateway(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.02)

    async def main(store: Callable[[], KeyStore]) -> None:
        writer, ring = store(), Keyring(store(), lambda: NOW)
        await writer.change(lambda _: (KEY.id, to_json(KEY)))
        async with followed(ring):
            principal = await ring.authenticate(Credentials(KEY.id, SECRET))
            assert ring.standing(principal, NOW) is None
            await writer.change(lambda _: (KEY.id, to_json(KEY._replace(revoked=NOW))))
            await until(lambda: ring.standing(principal, NOW) is Why.REVOKED)
        await writer.close()

    if where == "file":
        asyncio.run(main(lambda: KeyFile(tmp_path / "keys.json")))
    else:
        with EmbeddedServer() as server:
            asyncio.run(main(lambda: RedisKeys(Redis(url=server.url))))
