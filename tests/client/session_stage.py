"""A session whose gateway is the test: messages as it would send them."""

from typing import Any

from feed.client.events import Event
from feed.client.session import Session
from feed.client.wishes import Key, Terms

STREAM = "trades:AAPL"
AAPL: dict[Key, Terms] = {("trades", "AAPL"): Terms()}
Message = dict[str, Any]


def trade(seq: int, **more: Any) -> Message:
    fields = {"T": "t", "S": "AAPL", "i": seq, "x": "V", "p": 10.0, "s": 5, "c": [], "z": "", "t": 0, "q": seq}
    return fields | more


def state(seq: int, epoch: str | None = "e1", **more: Any) -> Message:
    return {"epoch": epoch, "seq": seq, "rate": 0, **more}


def told(session: Session) -> list[Event]:
    return list(iter(session.next, None))


def hear(session: Session, *messages: Message) -> list[Event]:
    session.feed(list(messages), 10)
    return told(session)


def answer(session: Session, **streams: Message) -> Message:
    """The answer to the command that is due now."""
    command = session.command()
    assert command is not None
    return {"T": "subscription", "id": command["id"], "streams": {f"trades:{key}": at for key, at in streams.items()}}


def error(session: Session, code: int, **more: Any) -> Message:
    command = session.command()
    assert command is not None
    return {"T": "error", "code": code, "msg": "no", "detail": "why", "id": command["id"], **more}


def subscribed(seq: int = 10, wanted: dict[Key, Terms] | None = None) -> Session:
    session = Session()
    session.connected()
    session.subscribe(wanted or AAPL, None)
    hear(session, answer(session, AAPL=state(seq)))
    return session


def seqs(events: list[Event]) -> list[Any]:
    return [getattr(event, "seq", event) for event in events]


def resume(session: Session) -> Message:
    session.disconnected()
    session.connected()
    command = session.command()
    assert command is not None
    return command
