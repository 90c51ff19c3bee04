"""The project's own client as a process of the chaos run: `feed.client`, whose events are written down as messages.

    python -m tests.chaos.feed_client JOURNAL '{"trades": ["*"]}' --gateways ws://127.0.0.1:8080/v2/binance,ws://...

Killed and started again it gives its successor the positions that it noted down after each event.
"""

from collections.abc import Mapping
from typing import Any

from feed.client import (
    Bar,
    Client,
    Complaint,
    Connected,
    Event,
    Fault,
    Gap,
    Heartbeat,
    Lost,
    NewEpoch,
    Notice,
    Position,
    Quote,
    Status,
    Subscribed,
    Trade,
    Update,
)  # fmt: skip
from tests.chaos.places import stream_of
from tests.chaos.reader import Reader, reader_of, run

Message = dict[str, Any]


async def read(reader: Reader) -> None:
    async with Client(reader.urls, positions=reader.noted, patient=True) as client:
        wanted = dict(reader.subscription)
        reader.journal.write("sent", {"action": "subscribe", **wanted})
        await client.subscribe(**wanted)
        async for event in client:
            _written(reader, event, client.positions)


def _written(reader: Reader, event: Event, positions: Mapping[str, Position]) -> None:
    if isinstance(event, Connected):
        reader.journal.write("open", event.url)
        reader.connected = True
    elif isinstance(event, Lost):
        reader.connected = False
        reader.journal.write("lost", event.why, event.code)
    elif (message := _message(event)) is not None:
        streams = event.streams if isinstance(event, Subscribed) else [stream_of(message) or ""]
        message["stands"] = {stream: positions[stream] for stream in streams if stream in positions}
        reader.journal.write("frame", message)
        reader.heard([message])


def _message(event: Event) -> Message | None:
    """The protocol's message that the event stands for."""
    if isinstance(event, Update):
        return _tick(event)
    if isinstance(event, Gap):
        after = {"epoch": event.next.epoch, "seq": event.next.seq}
        message = {"T": "gap", "stream": event.stream, "epoch": event.epoch, "from": event.first, "to": event.last}
        more = {"ids": event.ids, "q": event.seq}
        known = {key: value for key, value in more.items() if value is not None}
        return message | {"next": after, "cause": event.cause} | known
    if isinstance(event, NewEpoch):
        return {"T": "epoch", "stream": event.stream, "epoch": event.epoch, "seq": event.seq}
    if isinstance(event, Subscribed):
        return {"T": "granted", "streams": {stream: granted._asdict() for stream, granted in event.streams.items()}}
    if isinstance(event, Fault):
        return {"T": "fault", "text": str(event)}
    if isinstance(event, Notice):
        return {"T": "notice", "code": event.code, "lag_ms": event.lag_ms}
    if isinstance(event, Status):
        return {"T": "status", "S": event.symbol, "state": event.state}
    if isinstance(event, Complaint):
        return {"T": "error", "code": event.code, "msg": event.text}
    assert isinstance(event, Heartbeat), event
    return None


def _tick(update: Update) -> Message:
    tick, merged = update.tick, update.merged
    message: Message = {"S": tick.symbol, "q": update.seq}
    if isinstance(tick, Trade):
        message |= {"T": "t", "i": tick.id, "p": tick.price, "s": tick.size, "tks": tick.side}
    elif isinstance(tick, Quote):
        message |= {"T": "q", "bp": tick.bid, "bs": tick.bid_size, "ap": tick.ask, "as": tick.ask_size}
    else:
        assert isinstance(tick, Bar)
        message |= {"T": "b", "kind": tick.kind, "t": tick.ts_event}
    if update.snapshot:
        message["snap"] = True
    if merged is not None:
        message["m"] = {"n": merged.ticks, "q0": merged.first, "v": merged.volume, "h": merged.high, "l": merged.low}
    return message


def main() -> None:
    reader = reader_of(__doc__)
    run(reader, lambda: read(reader))


if __name__ == "__main__":
    main()
