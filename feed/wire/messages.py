"""Control messages of the protocol, as fields. Times in `t` come ready for the encoding (`Codec.time`)."""

from collections.abc import Iterable, Mapping
from typing import Any

from feed.core.conflation import Totals
from feed.core.streams import Position
from feed.core.ticks import BARS, BARS_1S, QUOTES, TRADES
from feed.wire.errors import TEXT, ProtocolError
from feed.wire.fields import whole

CONNECTED = {"T": "success", "msg": "connected"}
AUTHENTICATED = {"T": "success", "msg": "authenticated"}
# Alpaca's answer names these channels too: its clients look them up.
EMPTY_CHANNELS = ("updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")

Fields = dict[str, Any]


def error(fault: ProtocolError, depth: int) -> Fields:
    """Depth two also learns which command failed, and why."""
    fields: Fields = {"T": "error", "code": int(fault.code), "msg": TEXT[fault.code]}
    if depth == 2:
        if fault.command_id is not None:
            fields["id"] = fault.command_id
        if fault.detail:
            fields["detail"] = fault.detail
    return fields


def subscription(symbols: Mapping[str, Iterable[str]], depth: int) -> Fields:
    """The whole current set, by kind."""
    kinds = (TRADES, QUOTES, BARS) if depth == 1 else (TRADES, QUOTES, BARS, BARS_1S)
    return {
        "T": "subscription",
        **{kind: sorted(symbols.get(kind, ())) for kind in kinds},
        **{channel: [] for channel in EMPTY_CHANNELS},
    }


def stream_state(at: Position, rate: float, recovered: bool | None = None) -> Fields:
    """Where a stream stands, in the answer to the command that added it. `recovered` is given where it was resumed."""
    fields: Fields = {"epoch": at.epoch, "seq": at.seq, "rate": int(rate) if rate == int(rate) else rate}
    if recovered is not None:
        fields["recovered"] = recovered
    return fields


def totals(of: Totals) -> Fields:
    """The `m` of a message that stands for more than one tick."""
    fields: Fields = {"n": of.count, "q0": of.first}
    if of.volume is not None:
        fields |= {"v": whole(of.volume), "h": of.high, "l": of.low}
    return fields


def gap(
    stream: str,
    epoch: str | None,
    first: int,
    last: int | None,
    after: Position,
    cause: str,
    *,
    seq: int | None = None,
    ids: tuple[int, int] | None = None,
) -> Fields:
    """Entries `first` to `last` that the client will not get. `seq` is the gap's own where it is a log entry."""
    fields: Fields = {"T": "gap", "stream": stream, "epoch": epoch, "from": first, "to": last,
                      "next": {"epoch": after.epoch, "seq": after.seq}, "cause": cause}  # fmt: skip
    if seq is not None:
        fields["q"] = seq
    if ids is not None:
        fields["ids"] = list(ids)
    return fields


def epoch(stream: str, at: Position) -> Fields:
    """The stream goes on in another epoch, and nothing was lost."""
    return {"T": "epoch", "stream": stream, "epoch": at.epoch, "seq": at.seq}


def heartbeat(time: Any, seqs: Mapping[str, int] | None) -> Fields:
    """`seqs` is None while the gateway has lost the bus."""
    fields: Fields = {"T": "heartbeat", "t": time}
    if seqs is not None:
        fields["seq"] = dict(seqs)
    return fields


def notice(code: str, text: str, lag_ms: int | None = None) -> Fields:
    fields: Fields = {"T": "notice", "code": code, "msg": text}
    if lag_ms is not None:
        fields["lag_ms"] = lag_ms
    return fields


def status(symbol: str, state: str, time: Any) -> Fields:
    """A symbol's source fell silent or came back: `state` is live or stale."""
    return {"T": "status", "S": symbol, "state": state, "t": time}


def pong(command_id: int | str | None, time: Any) -> Fields:
    return {"T": "pong", "id": command_id, "t": time} if command_id is not None else {"T": "pong", "t": time}
