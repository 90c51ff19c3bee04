"""What a client wants of a feed, and the commands that ask for it, anew or from where it stood."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from feed.core.streams import Position, valid_symbol

WILDCARD: Final = "*"
# The gateway takes commands of up to 65,536 bytes; and each stream that resumes may cost it a reading of the log.
COMMAND_BYTES: Final = 61_440
RESUMED_TOGETHER: Final = 200
# What a name, and a position, take in JSON beside their characters; MessagePack takes less.
NAME_BYTES: Final = 4
SINCE_BYTES: Final = 48

Key = tuple[str, str]
"""Kind, and symbol or `*`."""


class Terms(NamedTuple):
    """How a stream is wanted: `rate` in updates a second, 0 for every tick."""

    rate: float = 0
    snapshot: bool = False


class Command(NamedTuple):
    """One message to the gateway, without its id, and what its answer changes. `since` are the streams it resumes."""

    fields: dict[str, Any]
    adds: Mapping[Key, Terms] = {}
    drops: frozenset[Key] = frozenset()
    since: frozenset[str] = frozenset()


def key_of(stream: str) -> Key:
    kind, _, symbol = stream.partition(":")
    return kind, symbol


def keys_of(**symbols: Iterable[str]) -> list[Key]:
    """The keys of symbols by kind, `*` among them. Raises ValueError for what is no symbol."""
    keys = []
    for kind, named in symbols.items():
        if isinstance(named, str):
            raise ValueError(f"{kind}: {named!r} is not a list of symbols")
        for symbol in named:
            if symbol != WILDCARD and not valid_symbol(symbol):
                raise ValueError(f"{kind}: {symbol!r} is not 1 to 64 of A-Z a-z 0-9 . _ / : ^ -")
            keys.append((kind, symbol))
    return keys


def covered(key: Key, wanted: Collection[Key]) -> bool:
    """Whether a stream is wanted, by its name or by `*`."""
    return key in wanted or (key[0], WILDCARD) in wanted


def subscribing(
    adds: Mapping[Key, Terms], kept: Mapping[str, Position], stamps: bool | None = None, held: Collection[Key] = ()
) -> list[Command]:
    """The commands that subscribe to `adds`, each stream from its position in `kept` if it has one.

    What `held` covers comes already and is not resumed. Names go before `*`, which would begin them at the present.
    """
    since = {
        key_of(stream): at
        for stream, at in kept.items()
        if not covered(key_of(stream), held) and (at.epoch is not None or at.seq == 0)
    }
    names = {key: terms for key, terms in adds.items() if key[1] != WILDCARD}
    wild: list[Command] = []
    extra: dict[Key, Terms] = {}
    for key, terms in adds.items():
        if key[1] == WILDCARD:
            reached = {found: at for found, at in since.items() if found[0] == key[0] and found not in names}
            fitting = next(_parts(reached, since, len(since)), [])
            wild.append(_subscribe([key], fitting, since, terms, stamps, {key: terms}))
            # more than one command holds: these are resumed by name first, and `*` takes them over
            extra |= {found: terms for found in reached if found not in fitting}
    commands = [
        _subscribe(part, part, since, terms, stamps, {key: terms for key in part if key in names})
        for terms, group in _by_terms(names | extra)
        for resumed in (True, False)
        for part in _parts(
            [key for key in group if (key in since) is resumed], since, RESUMED_TOGETHER if resumed else len(group)
        )
    ]
    commands += wild
    return commands + [Command(_naming("unsubscribe", part)) for part in _parts(extra, {}, len(extra))]


def unsubscribing(drops: Iterable[Key]) -> list[Command]:
    keys = list(drops)
    return [Command(_naming("unsubscribe", part), drops=frozenset(part)) for part in _parts(keys, {}, len(keys))]


def _subscribe(
    keys: list[Key],
    resumed: Iterable[Key],
    since: Mapping[Key, Position],
    terms: Terms,
    stamps: bool | None,
    adds: Mapping[Key, Terms],
) -> Command:
    fields = _naming("subscribe", keys)
    positions = {f"{kind}:{symbol}": since[kind, symbol] for kind, symbol in resumed if (kind, symbol) in since}
    if terms.rate:
        fields["rate"] = terms.rate
    if terms.snapshot:
        fields["snapshot"] = True
    if stamps is not None:
        fields["stamps"] = stamps
    if positions:
        fields["since"] = {stream: {"epoch": at.epoch, "seq": at.seq} for stream, at in positions.items()}
    return Command(fields, adds, since=frozenset(positions))


def _naming(action: str, keys: Iterable[Key]) -> dict[str, Any]:
    fields: dict[str, Any] = {"action": action}
    for kind, symbol in keys:
        fields.setdefault(kind, []).append(symbol)
    return fields


def _by_terms(wanted: Mapping[Key, Terms]) -> Iterator[tuple[Terms, list[Key]]]:
    for terms in dict.fromkeys(wanted.values()):
        yield terms, [key for key in wanted if wanted[key] == terms]


def _parts(keys: Iterable[Key], since: Mapping[Key, Position], most: int) -> Iterator[list[Key]]:
    """Keys in their order, as many together as fit one command, and `most` at most."""
    part: list[Key] = []
    size = 0
    for key in keys:
        takes = len(key[1]) + NAME_BYTES
        if key in since:
            takes += len(key[0]) + len(key[1]) + len(since[key].epoch or "") + SINCE_BYTES
        if part and (size + takes > COMMAND_BYTES or len(part) >= most):
            yield part
            part, size = [], 0
        part.append(key)
        size += takes
    if part:
        yield part
