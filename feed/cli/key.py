"""`feed key`: makes, shows, revokes and rotates the keys that clients present."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from feed.cli.key_words import new_key, table
from feed.cli.options import Misused, Refused, configured, knob, redis_url

if TYPE_CHECKING:
    from feed.access.keyring import KeyStore
    from feed.core.grant import Grant
    from feed.core.keys import KeyRecord
    from feed.settings.sources import Settings

T = TypeVar("T")

key_file = knob("--key-file", "auth.key_file", "Where keys are kept, in place of Redis.", metavar="FILE")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def key() -> None:
    """Make, list, revoke and rotate keys: who may connect to gateways of auth.mode "keys", and what each may have.

    Keys are kept in Redis, or in the file that auth.key_file names; gateways notice a change within a second. Of a
    secret only its SHA-256 is kept, so nobody can show it again.

    \b
    Examples:
      feed key create --name desk7 --feeds binance --kinds trades,quotes --symbols 'BTC/*' --expires 90d
      feed key list
      feed key rotate desk7 --overlap 24h
      feed key revoke desk7
    """


@key.command()
@click.option("--name", required=True, metavar="NAME", help="What people call it: unique among the keys in force.")
@click.option("--feeds", metavar="A,B", help="Feeds that it may have.  [default: all]")
@click.option("--kinds", metavar="A,B", help="Of trades, quotes, bars and bars1s.  [default: all]")
@click.option("--symbols", metavar="A,B", help="Symbols, or patterns such as 'BTC/*'.  [default: all]")
@click.option("--max-connections", type=int, metavar="N", help="Most at once, over all gateways.")
@click.option("--max-symbols", type=int, metavar="N", help="Most on one connection.")
@click.option(
    "--max-rate", type=float, default=0.0, metavar="R", help="Messages a second and stream at most; 0: every."
)
@click.option("--operator", is_flag=True, help="May see the service's own numbers, and who is connected.")
@click.option("--expires", metavar="90d", help="When it ends: 90d, 24h, 30m.  [default: never]")
@as_json
@configured(redis_url, key_file)
def create(
    settings: "Settings",
    name: str,
    feeds: str | None,
    kinds: str | None,
    symbols: str | None,
    max_connections: int | None,
    max_symbols: int | None,
    max_rate: float,
    operator: bool,
    expires: str | None,
    as_json: bool,
) -> None:
    """Make a key, and print it with its secret: this once.

    \b
    Examples:
      feed key create --name desk7 --max-connections 5 --expires 90d
      feed key create --name ops --operator --json > ops.json
    """
    from feed.core import keys

    if not keys.NAME.fullmatch(name):
        raise Misused(f"--name: {name!r} is not 1 to 64 of A-Z a-z 0-9 . _ @ - (and no fk_ in front)")
    allowed = _granted(_list(feeds), _list(kinds), _list(symbols), max_rate, max_connections, max_symbols)
    allowed = allowed._replace(operator=operator)
    lasts_s = None if expires is None else _duration("--expires", expires)
    if lasts_s == 0:
        raise Misused(f"--expires: a key that ends after {expires} lets nobody in")
    secret, now = keys.new_secret(os.urandom(keys.SECRET_BYTES)), _now()
    record = keys.KeyRecord(
        id=keys.new_id(os.urandom(keys.ID_BYTES)),
        name=name,
        grant=allowed,
        secrets=(keys.Kept(keys.digest(secret)),),
        created=now,
        expires=None if lasts_s is None else now + lasts_s,
    )

    def add(known: "list[KeyRecord]") -> "KeyRecord":
        other = keys.find(known, name, now)
        if other is not None and other.fault(now) is None:
            raise Refused(f"a key named {name} is in force: {other.id}; rotate or revoke it, or choose another name")
        return record

    _change(settings, add)
    new_key(record, secret, as_json)


@key.command("list")
@as_json
@configured(redis_url, key_file)
def list_keys(settings: "Settings", as_json: bool) -> None:
    """Show all keys, the newest first, with what each may have and until when. Secrets can't be shown.

    \b
    Example:
      feed key list --key-file keys.json
    """

    async def read(store: "KeyStore") -> "list[KeyRecord]":
        stored = await store.read("")
        return _records(stored.keys if stored else {}, faults)

    faults: list[str] = []
    records = _within(settings, read)
    table(sorted(records, key=lambda record: -record.created), time.time(), as_json)
    if faults:
        raise Refused(*faults)


@key.command()
@click.argument("word", metavar="NAME|ID")
@configured(redis_url, key_file)
def revoke(settings: "Settings", word: str) -> None:
    """End a key for good. Its connections are closed within 5 seconds.

    \b
    Example:
      feed key revoke desk7
    """
    now = _now()

    def end(known: "list[KeyRecord]") -> "KeyRecord":
        record = _found(known, word, now)
        if record.revoked is not None:
            raise Refused(f"{record.name} ({record.id}) was revoked before")
        return record._replace(revoked=now)

    record = _change(settings, end)
    click.echo(f"revoked {record.name} ({record.id}): its connections end within 5 s")


@key.command()
@click.argument("word", metavar="NAME|ID")
@click.option("--overlap", default="24h", show_default=True, metavar="24h", help="How long former secrets still work.")
@as_json
@configured(redis_url, key_file)
def rotate(settings: "Settings", word: str, overlap: str, as_json: bool) -> None:
    """Give a key a new secret, and print it: this once. The former work on for the overlap; with 0s their connections
    are closed within 5 seconds.

    \b
    Example:
      feed key rotate desk7 --overlap 0s
    """
    from feed.core import keys

    now, overlap_s = _now(), _duration("--overlap", overlap)
    secret = keys.new_secret(os.urandom(keys.SECRET_BYTES))

    def renew(known: "list[KeyRecord]") -> "KeyRecord":
        try:
            return keys.rotated(_found(known, word, now), keys.digest(secret), overlap_s, now)
        except ValueError as error:
            raise Refused(str(error)) from error

    new_key(_change(settings, renew), secret, as_json)


def _now() -> float:
    """Unix time in whole seconds: people read it in files and tables."""
    return float(int(time.time()))


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _duration(flag: str, text: str) -> float:
    from feed.core.keys import duration_s

    try:
        return duration_s(text)
    except ValueError as error:
        raise Misused(f"{flag}: {error}") from error


def _granted(
    feeds: list[str] | None,
    kinds: list[str] | None,
    symbols: list[str] | None,
    max_rate: float,
    max_connections: int | None,
    max_symbols: int | None,
) -> "Grant":
    from feed.core.grant import grant

    for flag, names in (("--feeds", feeds), ("--kinds", kinds), ("--symbols", symbols)):
        if names == []:
            raise Misused(f"{flag}: names nothing, and such a key could have nothing; leave it out for all")
    try:
        return grant(feeds, kinds, symbols, max_rate, max_connections, max_symbols)
    except ValueError as error:
        field, _, words = str(error).partition(": ")
        raise Misused(f"--{field.replace('_', '-')}: {words}") from error


def _found(known: "list[KeyRecord]", word: str, now: float) -> "KeyRecord":
    from feed.core.keys import find

    record = find(known, word, now)
    if record is None:
        raise Refused(f"no key has the name or the id {word!r}; `feed key list` shows all")
    return record


def _records(stored: Mapping[str, bytes], faults: list[str]) -> "list[KeyRecord]":
    """The keys that can be read; what is wrong with the others is added to `faults`."""
    from feed.core.keys import from_json

    records = []
    for key_id, data in stored.items():
        try:
            records.append(from_json(key_id, data))
        except ValueError as error:
            faults.append(str(error))
    return records


def _change(settings: "Settings", edit: "Callable[[list[KeyRecord]], KeyRecord]") -> "KeyRecord":
    """Writes the key that `edit` makes of all, and returns it."""
    from feed.core.keys import to_json

    written: list[KeyRecord] = []

    def write(stored: Mapping[str, bytes]) -> tuple[str, bytes]:
        record = edit(_records(stored, []))
        written.append(record)
        return record.id, to_json(record)

    _within(settings, lambda store: store.change(write))
    return written[-1]


def _within(settings: "Settings", ask: "Callable[[KeyStore], Coroutine[Any, Any, T]]") -> T:
    """What the store answers. Raises Refused where it can't be reached, or holds no keys."""
    from feed.access.keyring import UNREADABLE, key_store
    from feed.log import configure

    configure("warning", settings.values.log.format)

    async def main() -> T:
        store = key_store(settings.values)
        try:
            return await ask(store)
        finally:
            await store.close()

    try:
        return asyncio.run(main())
    except UNREADABLE as error:
        raise Refused(f"keys: {_words(error)}") from error


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error)
