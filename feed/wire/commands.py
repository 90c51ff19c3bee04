"""Client commands: bytes in, checked commands or a ProtocolError out."""

from typing import Annotated, Any, Final, Literal

import msgpack
import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from feed.core.streams import START, SYMBOL, Position
from feed.core.ticks import BARS, BARS_1S, KINDS, QUOTES, TRADES
from feed.wire.errors import Code, ProtocolError

WILDCARD = "*"
DEPTH_ONE_KINDS = (TRADES, QUOTES, BARS)
# Alpaca's other channels: their names are known, and this service carries none of them.
FOREIGN_CHANNELS = (
    "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors", "orderbooks", "news", "imbalances",
)  # fmt: skip

# Slower than this a message would stand for more than the log remembers where a stream ticks fast.
MIN_RATE: Final = 0.1
MAX_RATE: Final = 1_000.0
MAX_SEQ: Final = 2**53  # what JavaScript can count to

Id = StrictInt | StrictStr | None
Symbols = list[StrictStr]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id = None


class Auth(_Command):
    """Credentials: key and secret, or a token. Never printed."""

    action: Literal["auth"]
    key: StrictStr = Field(default="", repr=False)
    secret: StrictStr = Field(default="", repr=False)
    token: StrictStr = Field(default="", repr=False)


class _Selection(_Command):
    trades: Symbols = []
    quotes: Symbols = []
    bars: Symbols = []
    bars1s: Symbols = []

    def symbols(self) -> dict[str, list[str]]:
        """Symbols by kind, kinds without any left out."""
        chosen = {TRADES: self.trades, QUOTES: self.quotes, BARS: self.bars, BARS_1S: self.bars1s}
        return {kind: symbols for kind, symbols in chosen.items() if symbols}


class Since(BaseModel):
    """The position after which to resume a stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: Annotated[StrictStr, Field(min_length=1, max_length=64)] | None
    seq: Annotated[StrictInt, Field(ge=0, le=MAX_SEQ)]


class Subscribe(_Selection):
    """Adds streams. `stamps` None leaves the connection's choice as it is.

    `rate` is in messages a second and stream, 0 is every tick; `since` is by `kind:symbol`.
    """

    action: Literal["subscribe"]
    snapshot: StrictBool = False
    stamps: StrictBool | None = None
    rate: StrictInt | StrictFloat = 0
    since: dict[StrictStr, Since] = {}

    def positions(self) -> dict[tuple[str, str], Position]:
        """The positions to resume after, by kind and symbol."""
        found = {}
        for key, since in self.since.items():
            kind, _, symbol = key.partition(":")
            found[kind, symbol] = START if since.epoch is None else Position(since.epoch, since.seq)
        return found


class Unsubscribe(_Selection):
    action: Literal["unsubscribe"]


class Ping(_Command):
    action: Literal["ping"]


class Echo(_Command):
    """Returns the `tw` stamp of a data message, in microseconds."""

    action: Literal["echo"]
    tw: StrictInt


Command = Auth | Subscribe | Unsubscribe | Ping | Echo

_MODELS: dict[str, TypeAdapter[Any]] = {
    "auth": TypeAdapter(Auth),
    "subscribe": TypeAdapter(Subscribe),
    "unsubscribe": TypeAdapter(Unsubscribe),
    "ping": TypeAdapter(Ping),
    "echo": TypeAdapter(Echo),
}
_DEPTH_ONE_FIELDS = frozenset(("action", "key", "secret", "token", *DEPTH_ONE_KINDS))


def parse_json(data: str | bytes, depth: int) -> Command:
    """Reads one text message. Raises ProtocolError."""
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(Code.INVALID_SYNTAX, f"not JSON: {error}") from error
    return _command(message, depth)


def parse_msgpack(data: bytes, depth: int) -> Command:
    """Reads one binary message. Raises ProtocolError."""
    try:
        message = msgpack.unpackb(data)
    except ValueError as error:  # msgpack's own, those for nesting, for bad UTF-8 and for excess data are such
        raise ProtocolError(Code.INVALID_SYNTAX, f"not MessagePack: {error}") from error
    return _command(message, depth)


def _command(message: Any, depth: int) -> Command:
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise ProtocolError(Code.INVALID_SYNTAX, "a command is an object with an action")
    command_id = message["id"] if type(message.get("id")) in (int, str) else None
    action = message.get("action")
    model = _MODELS.get(action) if isinstance(action, str) else None
    if model is None or (depth == 1 and action in ("ping", "echo")):
        raise ProtocolError(Code.INVALID_SYNTAX, f"unknown action {_shown(action)}", command_id)
    if action in ("subscribe", "unsubscribe"):
        message = _without_foreign_channels(message, depth, command_id)
    if depth == 1:
        # Alpaca's clients add keys of their own now and then; what depth one does not know, it does not mind.
        # Its client for Go sends every channel, and null for those that it has no symbols for.
        message = {key: value for key, value in message.items() if key in _DEPTH_ONE_FIELDS and value is not None}
    try:
        command: Command = model.validate_python(message)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = _short(".".join(str(part) for part in first["loc"]))
        raise ProtocolError(Code.INVALID_SYNTAX, f"{where}: {first['msg']}", command_id) from error
    if isinstance(command, _Selection):
        _check_symbols(command, command_id)
    if isinstance(command, Subscribe):
        _check_resume(command, command_id)
    return command


def _without_foreign_channels(message: dict[str, Any], depth: int, command_id: Id) -> dict[str, Any]:
    """Channels not carried at this depth: named empty they mean nothing, named with symbols they are refused."""
    foreign = FOREIGN_CHANNELS if depth == 2 else (*FOREIGN_CHANNELS, BARS_1S)
    wanted = [name for name in foreign if message.get(name)]
    if wanted and message["action"] == "subscribe":
        raise ProtocolError(Code.INVALID_SUBSCRIBE, f"{wanted[0]} are not carried", command_id)
    return {key: value for key, value in message.items() if key not in foreign}


def _check_symbols(command: _Selection, command_id: Id) -> None:
    for kind, symbols in command.symbols().items():
        for symbol in symbols:
            if symbol != WILDCARD and not SYMBOL.fullmatch(symbol):
                raise ProtocolError(Code.INVALID_SYNTAX, f"{kind}: bad symbol {_shown(symbol)}", command_id)


def _check_resume(command: Subscribe, command_id: Id) -> None:
    if command.rate != 0 and not MIN_RATE <= command.rate <= MAX_RATE:
        allowed = f"rate: {_shown(command.rate)} is not 0, nor from {MIN_RATE:g} to {MAX_RATE:g} a second"
        raise ProtocolError(Code.INVALID_SYNTAX, allowed, command_id)
    named = {kind: frozenset(symbols) for kind, symbols in command.symbols().items()}
    for key, since in command.since.items():
        kind, _, symbol = key.partition(":")
        if kind not in KINDS or not SYMBOL.fullmatch(symbol):
            raise ProtocolError(Code.INVALID_SYNTAX, f"since: {_shown(key)} is not kind:symbol", command_id)
        if named.get(kind, frozenset()).isdisjoint((symbol, WILDCARD)):
            raise ProtocolError(Code.INVALID_SYNTAX, f"since: {_shown(key)} is not subscribed here", command_id)
        if since.epoch is None and since.seq:
            raise ProtocolError(Code.INVALID_SYNTAX, f"since: {_shown(key)} has a seq without an epoch", command_id)


def _shown(value: object) -> str:
    # the repr of what is deeply nested is a RecursionError
    text = type(value).__name__ if isinstance(value, dict | list) else repr(value)
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
