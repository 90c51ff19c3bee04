"""A client that does not stand where others stand: it resumes, it is slow, or it changed its rate.

It has no queue of its own. For each stream it has a place in what the stream's tail and log hold, and as its socket
takes bytes it is given what follows. When it has caught up everywhere it goes (back) to a cohort.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import Final, NamedTuple, Protocol

from feed.bus.store import Past
from feed.core.conflation import Totals
from feed.core.streams import Position
from feed.core.ticks import NS_PER_S, QUOTES, TRADES
from feed.gateway.cohort import Member
from feed.gateway.flow import next_due
from feed.gateway.forms import Form, Segment
from feed.gateway.live import LiveStream
from feed.gateway.message import Conflator, Fields, Message, stood_for
from feed.gateway.resume import from_log
from feed.gateway.track import Track

# What waits in the socket can't be conflated any more: no more is written to a client that has this much to read.
FULL_BYTES: Final = 65_536
PULL: Final = 200
# A place that the log was asked about is asked about again at the earliest after this.
ASK_AGAIN_S: Final = 0.25


class Backfill(Protocol):
    """Reads logs."""

    def ask(self, live: LiveStream, at: Position, then: Callable[[Past], None]) -> Callable[[], None]:
        """Reads what follows a position, lets the tail absorb it, and calls back. Answers how to call that off."""
        ...


class Taken(NamedTuple):
    """What one client was given in one write. `gaps` are those that it was told of in what it missed while away."""

    segments: list[Segment]
    messages: int
    frames: int
    gaps: list[Fields]


class Lane:
    """One client's own way to its streams. `flowing` tells which streams cohorts get at a rate."""

    def __init__(
        self,
        member: Member,
        form: Form,
        backfill: Backfill,
        flowing: Callable[[LiveStream, float], bool],
        now: float,
        now_ns: int,
        *,
        pressed: bool = False,
    ) -> None:
        self.member = member
        self.form = form
        self.tracks: dict[LiveStream, Track] = {}
        self.sent_at = now
        self.conflated = 0  # ticks that another stood for, since this was last looked at
        self.warned = False
        self.cut = False
        self.version = -1  # of the interest from which its tracks were made
        self._backfill = backfill
        self._flowing = flowing
        self._written = Taken([], 0, 0, [])
        self._gaps: list[Fields] = []  # told of since then
        self._began_ns = now_ns
        self._began = now
        self._owing: set[Track] = set()  # streams in which the client is owed what it missed before the lane began
        self._pressed = pressed
        self._full_since: float | None = None
        self._call_off: Callable[[], None] | None = None
        self._turn = 0
        self._paged = False  # a page of log waits here for the client to take it

    def enter(self, live: LiveStream, at: Position, rate: float, lead: list[Message] | None = None) -> None:
        """Puts the client to a place in a stream, wherever it stood."""
        self.leave(live)
        track = self.tracks[live] = Track(live, at, rate, lead)
        if track.behind:
            self._owing.add(track)

    def leave(self, live: LiveStream) -> None:
        track = self.tracks.pop(live, None)
        if track is not None:
            self._owing.discard(track)

    def close(self) -> None:
        if self._call_off is not None:
            self._call_off()
            self._call_off = None

    def pump(self, now: float, now_ns: int, max_bytes: int) -> bytes:
        """What there is room for in the socket, as frames of about `max_bytes` at most."""
        room = FULL_BYTES - self.member.backlog()
        if room <= 0:
            self._pressed = True
            if self._full_since is None:
                self._full_since = now
            return b""
        self._full_since = None
        segments: list[Segment] = []
        tracks = list(self.tracks.values())
        self._turn += 1
        self._paged = any(track.lead for track in tracks)
        for index in range(len(tracks)):
            track = tracks[(index + self._turn) % len(tracks)]
            while room > 0 and (next_ones := self._next(track, room, now, now_ns, max_bytes)) is not None:
                segments += next_ones
                room -= sum(len(segment.content) for segment in next_ones)
        if not segments:
            return b""
        self.sent_at = now
        count, frames, data = self.form.joined(segments, max_bytes)
        self._written = Taken(segments, count, frames, self._gaps)
        self._gaps = []
        return data

    def taken(self) -> Taken:
        """What `pump` answered last, once."""
        written, self._written = self._written, Taken([], 0, 0, [])
        return written

    def caught_up(self) -> bool:
        """Whether the client stands everywhere where the others of its rate stand."""
        return all(track.caught_up for track in self.tracks.values())

    @property
    def resumes(self) -> bool:
        """Whether the client is still owed what it missed before the lane began."""
        return bool(self._owing)

    def seqs(self) -> dict[str, int]:
        """What the client was sent, by stream, those left out of which it has something to get."""
        tracks = self.tracks.values()
        return {track.live.key: track.at.seq for track in tracks if not (track.lead or track.conflator)}

    def stalled_s(self, now: float) -> float:
        """How long the socket has taken too little to be given more."""
        return 0.0 if self._full_since is None else now - self._full_since

    def lag_s(self, now: float, now_ns: int) -> float:
        """How long the oldest trade has waited, of those that this client was to get live; or the whole socket."""
        lag = self.stalled_s(now)
        if self._owing:
            return lag
        for track in self.tracks.values():
            if track.live.stream.kind == TRADES and not track.rate and track.behind:
                waiting = track.live.tail.after(track.at, 1)
                oldest_ns = waiting[0].ts_gateway if waiting else track.live.tail.oldest_ns
                waited_s = (now_ns - max(oldest_ns, self._began_ns)) / NS_PER_S
                lag = max(lag, min(waited_s, now - self._began))  # the time of day may be set
        return lag

    def _next(self, track: Track, room: int, now: float, now_ns: int, max_bytes: int) -> list[Segment] | None:
        """What comes next in a stream, as segments; None where nothing does."""
        owed, read = track in self._owing, bool(track.lead)
        messages = self._pull(track, room, now, now_ns)
        if not messages:
            return None
        missed = owed or read
        if missed:
            self._gaps += _gaps(messages, in_band=owed)
        segments = self.form.segments(messages, now_ns // 1000, max_bytes)
        for segment in segments:
            # what the client missed while it was away says nothing of how late the gateway is, nor does its own rate
            segment.said = () if missed or track.rate else messages
        return segments

    def _pull(self, track: Track, room: int, now: float, now_ns: int) -> list[Message]:
        """What comes next in a stream, of about `room` bytes at most."""
        if track.conflator and not track.rate:
            return self._taken(track.conflator)  # of a rate that was given up
        if track.lead:
            messages = track.lead if track.rate else self._fitting(track.lead, room)
            track.lead = track.lead[len(messages) :]
            if track.rate:
                self._hold_back(track, messages)
            else:
                track.at = messages[-1].at
                return messages
        target = self._target(track, now)
        if (newest := self._newest(track, now, now_ns)) is not None:
            track.at = newest.at
            return [newest]
        if track.at != target and (messages := self._following(track, target, now, now_ns)):
            if not track.rate:
                messages = self._urgent(track, messages, room, now, now_ns)
                track.at = messages[-1].at
                return messages
            self._hold_back(track, messages)
        if track.at == target:
            self._settled(track, now, now_ns)
            if track.conflator:
                track.due = next_due(now, 1.0 / track.rate)
                return self._taken(track.conflator)
        return []

    def _newest(self, track: Track, now: float, now_ns: int) -> Message | None:
        """What stands for all quotes that came while the client was slow. Found without a look at each of them: many
        who were slow at once would take longer for that than new ones take to come, and never catch up."""
        if not self._pressed or track.rate or track.live.stream.kind != QUOTES:
            return None
        found = track.live.tail.unbroken(track.at)
        first = track.live.tail.after(track.at, 1)
        if found is None or not first or first[0].ts_gateway <= self._began_ns:
            return None
        self._settled(track, now, now_ns)
        ticks, last = found
        self.conflated += ticks - 1
        return last if ticks == 1 else last.standing_for(Totals(ticks, first[0].seq))

    def _target(self, track: Track, now: float) -> Position:
        """Up to where the client is to be brought now."""
        if not track.rate:
            return track.live.tail.end
        if self._flowing(track.live, track.rate):
            return track.live.sent(track.rate)
        return track.live.tail.end if now >= track.due else track.at

    def _following(self, track: Track, target: Position, now: float, now_ns: int) -> list[Message]:
        if target.epoch == track.at.epoch and target.seq < track.at.seq:
            return []  # the others have yet to come to where this client stands
        messages = track.live.tail.after(track.at, None if track.rate else PULL)
        if messages is None:
            # a page at a time: what is read must not wait here for a client that is slow to take it
            free = self._call_off is None and not self._paged
            if track.behind and free and now >= track.ask_again:
                track.ask_again = now + ASK_AGAIN_S
                self._call_off = self._backfill.ask(track.live, track.at, lambda past: self._told(track, past, now_ns))
            return []
        if not track.rate:
            return messages
        end = next((index for index, message in enumerate(messages) if message.at == target), None)
        return [] if end is None else messages[: end + 1]

    def _told(self, track: Track, past: Past, now_ns: int) -> None:
        self._call_off = None
        if self.tracks.get(track.live) is track:
            track.at, track.lead, _ = from_log(track.live, track.at, past, now_ns)

    def _hold_back(self, track: Track, messages: list[Message]) -> None:
        if not track.conflator:
            track.held_after = track.at
        track.at = messages[-1].at
        for message in messages:
            track.conflator.add(message)

    def _urgent(self, track: Track, messages: list[Message], room: int, now: float, now_ns: int) -> list[Message]:
        """What fits of it. Of what came while the client was slow only the newest, but every trade."""
        if messages[-1].ts_gateway > self._began_ns:
            self._settled(track, now, now_ns)
        if not self._pressed or track.live.stream.kind == TRADES:
            return self._fitting(messages, room)
        owed = list(takewhile(lambda message: message.ts_gateway <= self._began_ns, messages))
        if owed:
            return self._fitting(owed, room)
        conflator = Conflator()
        for message in messages:
            conflator.add(message)
        return self._taken(conflator)

    def _fitting(self, messages: list[Message], room: int) -> list[Message]:
        """The first of them, one at least, that take no more than `room` bytes."""
        for count, message in enumerate(messages):
            if message.tick is not None:
                room -= len(message.body(self.form.codec, message.tick))
            if room < 0:
                return messages[: max(1, count)]
        return messages

    def _settled(self, track: Track, now: float, now_ns: int) -> None:
        """The client has what it missed in this stream. How slow it is with the rest counts from when it has all."""
        if track in self._owing:
            self._owing.discard(track)
            if not self._owing:
                self._began, self._began_ns = now, now_ns

    def _taken(self, conflator: Conflator) -> list[Message]:
        taken = conflator.take()
        self.conflated += stood_for(taken)
        return taken


def _gaps(messages: list[Message], *, in_band: bool) -> list[Fields]:
    """What is told of gaps. Who was there when one came `in_band`, as an entry of the log, was counted then."""
    told = (message.fields for message in messages if message.fields is not None)
    return [fields for fields in told if fields["T"] == "gap" and (in_band or "q" not in fields)]
