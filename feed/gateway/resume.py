"""Where in a stream a client goes on that names its own position: from the tail, from the log, or behind a gap."""

from typing import NamedTuple

from feed.bus.reading import Hole
from feed.bus.store import Past
from feed.core.sequence import Record, route, untold
from feed.core.streams import Position
from feed.gateway.live import LiveStream
from feed.gateway.message import Message, of_epoch, of_hole, of_log

# Read along before what was asked for, so that clients that stood a little further back need no reading of their own.
SLACK = 32


class Place(NamedTuple):
    """A client is sent `lead` and then what follows `at`. Where nothing is `lost` that is all that it missed."""

    at: Position
    lead: list[Message]
    lost: bool = False


def first_wanted(at: Position) -> int:
    """The seq from which the log should be read for a client that stands at a position."""
    return max(1, at.seq + 1 - SLACK)


def from_tail(live: LiveStream, at: Position) -> Place | None:
    """None where only the log can tell."""
    return Place(at, []) if live.tail.after(at, 0) is not None else None


def absorb(live: LiveStream, past: Past, ts_gateway: int) -> int:
    """Puts log entries that lead up to the tail without a hole before it; answers how many messages that were."""
    start = live.tail.start
    if past.record is None or not past.entries:
        return 0
    entries = [(seq, entry) for seq, entry in past.entries if seq <= start.seq]
    older = of_log(live.key, past.record, entries, ts_gateway)
    if not older or older[-1].at != start:
        return 0
    live.tail.prepend(older, Position(older[0].epoch, older[0].seq - 1))
    return len(older)


def from_log(live: LiveStream, at: Position, past: Past, ts_gateway: int) -> Place:
    """The place of a client, by what the log had to say. The tail has absorbed what it could."""
    record, tail = past.record, live.tail
    found = from_tail(live, at)
    if found is not None:
        return found
    if record is None:
        return _behind(live, at, None, [], ts_gateway)
    if untold(at, record):
        return Place(at, [])
    way = route(at, record)
    if way.cut or (at.epoch == record.epoch and at.seq > record.seq):
        start = Position(record.epoch_of(way.first), way.first) if way.cut else None
        return _behind(live, at, start, [], ts_gateway)
    if way.first - 1 > tail.end.seq:
        return Place(at, [])  # this gateway is behind the one that the client comes from, and will get there
    there = tail.find(way.first - 1)
    if there is not None:
        # the same number in another epoch, which went on without a loss
        return Place(there, [of_epoch(live.key, Position(there.epoch, way.first), ts_gateway)])
    page = of_log(live.key, record, [item for item in past.entries if item[0] >= way.first], ts_gateway)
    if page and page[0].seq == way.first:
        return Place(at, _entered(live.key, at, record, page, ts_gateway))
    return _behind(live, at, None, page, ts_gateway)


def _entered(key: str, at: Position, record: Record, page: list[Message], ts_gateway: int) -> list[Message]:
    if page[0].epoch == at.epoch:
        return page
    return [of_epoch(key, Position(record.epoch_of(page[0].seq), page[0].seq), ts_gateway), *page]


def _behind(
    live: LiveStream, at: Position, start: Position | None, page: list[Message], ts_gateway: int
) -> Place:  # fmt: skip
    """Behind a gap: at `start` if given, with the page, or where the tail begins."""
    if start is not None:
        hole = Hole(at.epoch, at.seq + 1, None, start)
    elif page:
        hole = Hole(at.epoch, at.seq + 1, page[0].seq - 1, Position(page[0].epoch, page[0].seq))
    else:
        after = live.tail.start
        last = after.seq if after.seq > at.seq else None
        hole = Hole(at.epoch, at.seq + 1, last, Position(after.epoch, after.seq + 1))
    return Place(at, [of_hole(live.key, hole, "history", ts_gateway), *page], lost=True)


def anew(live: LiveStream, at: Position, ts_gateway: int) -> tuple[Place, Message | None]:
    """For a client that can't have all that it missed: a gap up to the stream's last tick, and that tick."""
    last = live.last
    if last is None or live.tail.after(last.at, 0) is None:
        last, there = None, live.tail.end
        end, after = there.seq, Position(there.epoch, there.seq + 1)
    else:
        there = last.at
        end, after = last.seq - 1, last.at
    hole = Hole(at.epoch, at.seq + 1, end if end > at.seq else None, after)
    return Place(there, [of_hole(live.key, hole, "history", ts_gateway)], lost=True), last
