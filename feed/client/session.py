"""A client's dealings with a gateway, without the connection: commands out, messages in, events out.

Messages wait as they came and are judged when their turn comes, so that positions are those after the last event given.
A connection that is lost with messages unread loses nothing: they are let go, and come again on resuming.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

from feed.client.decode import READERS, REMARKS, UNREADABLE, Message, gap_of, granted_of, merged_of, readable, stamps_of
from feed.client.errors import CommandError, Unreadable
from feed.client.events import Event, Granted, Heartbeat, NewEpoch, Subscribed, Unsubscribed, Update
from feed.client.positions import Place, Places, Then
from feed.client.wishes import Command, Key, Terms, covered, key_of, subscribing, unsubscribing
from feed.core.streams import Position
from feed.core.ticks import BARS
from feed.wire.errors import Code

PREFIX: Final = {"t": "trades:", "q": "quotes:"}
_new = tuple.__new__


class Call:
    """What a caller asked of the gateway, in one command or several, and what became of it."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self.waiting = deque(commands)
        self.granted: dict[str, Granted] = {}
        self.error: CommandError | None = None

    def done(self) -> bool:
        return self.error is not None or not self.waiting


class _Frame(NamedTuple):
    """Messages, or an answer and what it does when its turn comes."""

    messages: list[Message]
    size: int
    answer: Callable[[], None] | None = None


class Session:
    """One feed, over any number of connections.

    One command at a time is under way: so an error without an id can be told to be its answer.
    """

    def __init__(self, positions: Mapping[str, Iterable[object]] | None = None) -> None:
        """Raises ValueError where `positions` are none."""
        self.unread_bytes = 0
        self.failed: CommandError | None = None  # what was granted before is refused on resuming
        self._places = Places(positions)
        self._wanted: dict[Key, Terms] = {}
        self._stamps: bool | None = None
        self._calls: deque[Call] = deque()
        self._resuming: Call | None = None
        self._asked: tuple[int, Call] | None = None
        self._ids = 0
        self._frames: deque[_Frame] = deque()
        self._messages: Iterator[Message] = iter(())
        self._told: deque[Event] = deque()
        self._takes: dict[str, Callable[[Message], None]] = {
            "gap": self._gap,
            "epoch": self._epoch,
            "heartbeat": self._heartbeat,
        }

    def positions(self) -> dict[str, Position]:
        return self._places.positions()

    def subscribe(self, adds: Mapping[Key, Terms], stamps: bool | None) -> Call:
        self._stamps = self._stamps if stamps is None else stamps
        return self._call(subscribing(adds, self._places.positions(), stamps, self._wanted))

    def unsubscribe(self, drops: Iterable[Key]) -> Call:
        return self._call(unsubscribing(drops))

    def connected(self) -> None:
        """On a new connection what is wanted is asked for anew, then what callers wait for."""
        self.failed = None
        self._resuming = Call(subscribing(self._wanted, self._places.positions(), self._stamps))

    def disconnected(self) -> None:
        """Lets go of what was not read, but for what does not come again."""
        unread = [_Frame([message], 0) for message in self._messages]
        for frame in (*unread, *self._frames):
            if frame.answer is not None:
                frame.answer()
            for message in frame.messages:
                if message["T"] in REMARKS:
                    self._take(message)
        self._frames.clear()
        self._messages, self.unread_bytes = iter(()), 0
        self._places.disconnected()
        self._asked = self._resuming = None

    def tell(self, event: Event) -> None:
        """Gives an event of the connection's own, after what was read before it."""
        self._told.append(event)

    @property
    def due(self) -> bool:
        """Whether it is time to send a command."""
        return self._asked is None and self._turn() is not None

    @property
    def empty(self) -> bool:
        """Whether there is surely no next event."""
        return not (self._told or self._frames)

    def command(self) -> dict[str, Any] | None:
        """The next command to send, if it is time for one; it counts as sent."""
        call = self._turn()
        if self._asked is not None or call is None:
            return None
        self._ids += 1
        self._asked = (self._ids, call)
        return {**call.waiting[0].fields, "id": self._ids}

    def feed(self, messages: list[Message], size: int) -> None:
        """Takes a frame's messages. An answer counts at once for who waits for it, and for positions in its turn."""
        answer = None
        if messages and messages[0]["T"] in ("subscription", "error"):
            with readable():
                answer = self._answer(messages[0])
        self._frames.append(_Frame(messages if answer is None else [], size, answer))
        self.unread_bytes += size

    def next(self) -> Event | None:
        """The next event; None where there is none until more is fed. Raises Unreadable."""
        while not self._told:
            message = next(self._messages, None)
            if message is None:
                if not self._frames:
                    return None
                frame = self._frames.popleft()
                self._messages = iter(frame.messages)
                self.unread_bytes -= frame.size
                if frame.answer is not None:
                    frame.answer()
            elif message["T"] in READERS:
                try:
                    event = self._tick(message)
                except UNREADABLE as error:
                    raise Unreadable(f"a message that can't be read: {error!r}") from error
                if event is not None:
                    return event
            else:
                self._take(message)
        return self._told.popleft()

    def _tick(self, message: Message) -> Event | None:
        letter = message["T"]
        stream = f"{PREFIX[letter]}{message['S']}" if letter != "b" else f"{message.get('kind', BARS)}:{message['S']}"
        place = self._places.live.get(stream)
        update = self._update(message, stream, place)
        if place is not None and update.seq == place.seq + 1 and update.merged is None:
            place.seq += 1
            return update
        fault, then = self._places.update(update)
        if then is Then.AGAIN:
            self._messages = chain((message,), self._messages)
        elif then is Then.GIVEN:
            if fault is None:
                return update
            self._told.append(update)  # in its turn, after the fault
        return fault

    @staticmethod
    def _update(message: Message, stream: str, place: Place | None) -> Update:
        received, merged = message.get("ti"), message.get("m")
        return _new(
            Update,
            (
                stream,
                None if place is None else place.epoch,
                message["q"],
                READERS[message["T"]](message, 0 if received is None else received * 1000),
                None if merged is None else merged_of(merged),
                message.get("snap", False),
                None if received is None else stamps_of(message),
            ),
        )

    def _take(self, message: Message) -> None:
        read, take = REMARKS.get(message["T"]), self._takes.get(message["T"])
        with readable():
            if read is not None:
                self._told.append(read(message))
            elif take is not None:
                take(message)

    def _gap(self, message: Message) -> None:
        gap = gap_of(message)
        fault, then = self._places.gap(gap)
        if fault is not None:
            self._told.append(fault)
        if then is Then.AGAIN:
            self._messages = chain((message,), self._messages)
        else:
            self._told.append(gap)

    def _epoch(self, message: Message) -> None:
        change = NewEpoch(message["stream"], message["epoch"], message["seq"])
        fault = self._places.epoch(change)
        if fault is not None:
            self._told.append(fault)
        self._told.append(change)

    def _heartbeat(self, message: Message) -> None:
        self._told.extend(self._places.behind(message.get("seq", {})))
        self._told.append(Heartbeat(message["t"], "seq" in message))

    def _turn(self) -> Call | None:
        if self._resuming is not None and not self._resuming.done():
            return self._resuming
        return next(iter(self._calls), None)

    def _call(self, commands: list[Command]) -> Call:
        call = Call(commands)
        if not call.done():
            self._calls.append(call)
        return call

    def _answer(self, message: Message) -> Callable[[], None] | None:
        """What an answer does to positions in its turn; None where it is no answer to what was asked."""
        if message["T"] == "subscription" and "id" not in message:
            return self._regranted(message)
        if self._asked is None:
            return None
        number, call = self._asked
        if message["T"] == "error":
            # a gateway that is given too many commands doesn't read what id they have
            if message.get("id", number if message["code"] == Code.TOO_MANY_COMMANDS else None) != number:
                return None
            call.error = CommandError(message["code"], message["msg"], message.get("detail", ""))
            self._asked = None
            self._finished(call)
            return lambda: None
        if message.get("id") != number:
            return None
        self._asked = None
        command = call.waiting.popleft()
        granted = {stream: granted_of(state) for stream, state in message["streams"].items()}
        kept = {key: terms for key, terms in self._wanted.items() if key not in command.drops}
        self._wanted = {**kept, **command.adds}
        self._finished(call)
        if command.fields["action"] == "unsubscribe":
            return partial(self._unsubscribed, command.drops, frozenset(self._wanted))
        call.granted |= granted
        return partial(self._subscribed, granted, command.since)

    def _regranted(self, message: Message) -> Callable[[], None]:
        """What a gateway drops or adds of its own accord, since a token that was renewed grants less or more."""
        self._wanted = {key: terms for key, terms in self._wanted.items() if key[1] in message[key[0]]}
        return partial(self._changed, {stream: granted_of(state) for stream, state in message["streams"].items()})

    def _changed(self, streams: Mapping[str, Granted]) -> None:
        gone = frozenset(streams.keys() & self._places.positions().keys())
        for stream in gone:
            self._places.drop(stream)
        if gone:
            self._told.append(Unsubscribed(gone))
        if more := {stream: state for stream, state in streams.items() if stream not in gone}:
            self._subscribed(more, frozenset())

    def _finished(self, call: Call) -> None:
        if not call.done():
            return
        if call is self._resuming:
            self.failed = call.error
        else:
            self._calls.remove(call)

    def _subscribed(self, streams: Mapping[str, Granted], since: frozenset[str]) -> None:
        gaps = [self._places.granted(stream, state, asked=stream in since) for stream, state in streams.items()]
        self._told.append(Subscribed(streams))
        self._told.extend(gap for gap in gaps if gap is not None)

    def _unsubscribed(self, drops: frozenset[Key], wanted: frozenset[Key]) -> None:
        gone = [
            stream
            for stream in self._places.positions()
            if covered(key_of(stream), drops) and not covered(key_of(stream), wanted)
        ]
        for stream in gone:
            self._places.drop(stream)
        if drops:
            self._told.append(Unsubscribed(frozenset(gone)))
