"""Live messages and log pages become one order, whatever the timing: nothing twice, none missing."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.bus import reading as readings
from feed.bus.entry import Batch, Entry
from feed.bus.reading import Phase, Reading
from feed.core.sequence import Epoch, Record
from feed.core.streams import START, Position, Stream
from feed.core.ticks import Gap, Trade
from tests.bus.ear import Ear

STREAM = Stream("t", "trades", "A")


@dataclass
class Redis:
    """One stream as Redis has it: its record, its log, and the messages on their way to the reader."""

    record: Record | None = None
    log: list[tuple[int, Entry]] = field(default_factory=list)
    channel: list[Batch] = field(default_factory=list)
    subscribed: bool = False
    restarted: bool = False
    published: list[int] = field(default_factory=list)  # venue ids, which here count every tick ever

    def publish(self, count: int) -> None:
        record = self.record or Record(0, (Epoch("e1", 1),))
        if self.restarted and self.record:
            record = Record(record.seq, (*record.epochs, Epoch(record.epoch + "'", record.seq + 1)))
        self.restarted = False
        entries: list[Entry] = []
        for _ in range(count):
            tick_id = len(self.published) + 1
            self.published.append(tick_id)
            entries.append(Trade("A", tick_id, 1.0, 1.0, "", 1, 1))
        self.log += [(record.seq + 1 + at, entry) for at, entry in enumerate(entries)]
        if self.subscribed:
            self.channel.append(Batch(record.epoch, record.seq + 1, 1, 1, entries))
        self.record = record._replace(seq=record.seq + count)

    def restart(self) -> None:
        """Another process, nothing forgotten: a new epoch begins with the next tick."""
        self.restarted = True

    def page(self, first: int, count: int) -> list[tuple[int, Entry]]:
        return [entry for entry in self.log if entry[0] >= first][:count]


class Reader:
    """Steps a reading as the subscriber does: one log read under way at a time, answered at some later moment."""

    PAGE = 3

    def __init__(self, redis: Redis, since: Position | None) -> None:
        self.redis = redis
        self.ear = Ear()
        self.reading = Reading(STREAM, since)
        self.reply: tuple[Record | None, list[tuple[int, Entry]]] | None = None

    def confirm(self) -> None:
        if not self.redis.subscribed:
            self.redis.subscribed = True
            self.reading.phase = Phase.BEHIND

    def lose_connection(self) -> None:
        self.redis.subscribed = False
        self.redis.channel.clear()
        self.reply = None
        self.reading.restart()

    def hear(self) -> None:
        if self.redis.channel:
            self.reading.live(self.redis.channel.pop(0), self.ear)

    def ask(self) -> None:
        """Redis answers at this moment; the answer arrives with `take`."""
        if self.reply is None and self.reading.phase is Phase.BEHIND:
            at = self.reading.at
            page = self.redis.log[::-1][:2] if at is None else self.redis.page(at.seq + 1, self.PAGE)
            self.reading.ask()
            self.reply = self.redis.record, page

    def take(self) -> None:
        if self.reply is None:
            return
        (record, page), self.reply = self.reply, None
        if self.reading.at is None:
            self.reading.open(record, page, self.ear)
        elif self.reading.catch_up(record, page, 1, self.ear) or len(page) >= self.PAGE:
            return
        elif record is not None:
            self.reading.missing_end(record, self.ear)
        self.reading.caught_up(record, self.ear)

    def settle(self) -> None:
        """Lets everything that is under way arrive."""
        self.confirm()
        for _ in range(1_000):
            if not self.redis.channel and self.reading.phase is Phase.LIVE:
                return
            self.hear()
            self.ask()
            self.take()
        raise AssertionError(f"never settles: {self.reading}")


STEPS = st.lists(
    st.sampled_from(["publish", "publish", "burst", "hear", "hear", "ask", "take", "confirm", "lose", "restart"]),
    max_size=80,
)


@settings(max_examples=400)
@given(STEPS, st.booleans(), st.booleans())
def test_every_tick_after_the_opening_comes_once_in_order(steps: list[str], from_start: bool, small: bool) -> None:
    limit = readings.MAX_WAITING_ENTRIES
    readings.MAX_WAITING_ENTRIES = 3 if small else limit
    try:
        redis = Redis()
        reader = Reader(redis, START if from_start else None)
        for step in steps:
            {"publish": lambda: redis.publish(1), "burst": lambda: redis.publish(4), "hear": reader.hear,
             "ask": reader.ask, "take": reader.take, "confirm": reader.confirm, "lose": reader.lose_connection,
             "restart": redis.restart}[step]()  # fmt: skip
        reader.settle()
    finally:
        readings.MAX_WAITING_ENTRIES = limit
    opened = reader.ear.said(STREAM, "open")
    first = 1 if from_start else int(str(opened[0][2])) + 1
    assert len(opened) == (0 if from_start else 1)
    assert reader.ear.ids(STREAM) == redis.published[first - 1 :]
    assert reader.ear.seqs(STREAM) == list(range(first, len(redis.published) + 1))
    assert not reader.ear.said(STREAM, "gap")


@pytest.mark.parametrize(
    ("record", "log", "at", "expected"),
    [
        pytest.param(Record(9, (Epoch("e", 1),)), [8, 9], Position("e", 3), [("gap", 4, 7, 8), 8, 9], id="trimmed"),
        pytest.param(Record(9, (Epoch("e", 1),)), [], Position("e", 3), [("gap", 4, 9, 10)], id="all trimmed"),
        pytest.param(Record(9, (Epoch("e", 1),)), [8, 9], START, [("gap", 1, 7, 8), 8, 9], id="a start that is gone"),
        pytest.param(
            Record(9, (Epoch("e", 1), Epoch("f", 7))),
            [5, 6, 7, 8, 9],
            Position("e", 4),
            [5, 6, ("epoch", 7), 7, 8, 9],
            id="epoch",
        ),
        pytest.param(
            Record(43, (Epoch("e", 1), Epoch("f", 42))),
            [1, 42, 43],
            Position("e", 41),
            [("epoch", 42), 42, 43],
            id="rewound, all read",
        ),
        pytest.param(
            Record(43, (Epoch("e", 1), Epoch("f", 42))),
            [1, 42, 43],
            Position("e", 30),
            [("gap", 31, 41, 42), 42, 43],
            id="rewound",
        ),
        pytest.param(
            Record(3, (Epoch("e", 1), Epoch("f", 2))),
            [1, 2, 3],
            Position("e", 40),
            [("gap", 41, None, 2), 2, 3],
            id="numbers fell",
        ),
        pytest.param(
            Record(9, (Epoch("f", 8),)), [8, 9], Position("e", 7), [("epoch", 8), 8, 9], id="emptied, all read"
        ),
        pytest.param(
            Record(9, (Epoch("e", 1), Epoch("f", 5), Epoch("g", 8))),
            [4, 5, 6, 7, 8, 9],
            Position("e", 3),
            [4, ("epoch", 5), 5, 6, 7, ("epoch", 8), 8, 9],
            id="two epochs on",
        ),
        pytest.param(Record(9, (Epoch("f", 8),)), [8, 9], Position("e", 5), [("gap", 6, 7, 8), 8, 9], id="emptied"),
        pytest.param(
            Record(2, (Epoch("f", 1),)), [1, 2], Position("e", 5), [("gap", 6, None, 1), 1, 2], id="emptied, no memory"
        ),
        pytest.param(None, [], Position("e", 4), [], id="Redis forgot it all"),
    ],
)
def test_going_on_from_a_position(record: Record | None, log: list[int], at: Position, expected: list[object]) -> None:
    redis = Redis(record, [(seq, Trade("A", seq, 1.0, 1.0, "", 1, 1)) for seq in log])
    reader = Reader(redis, at)
    reader.PAGE = 100
    reader.settle()
    heard = [item[0] if isinstance(item[0], int) else item for item in reader.ear.heard.get(STREAM.name, [])]
    assert heard == expected


@pytest.mark.parametrize(
    ("epochs", "log", "expected"),
    [
        pytest.param(
            (Epoch("e1", 1), Epoch("f", 7)),
            {7: 5, 8: 6, 9: 7, 10: 8},
            [("epoch", 9), (9, 7), (10, 8)],
            id="numbers rose",
        ),
        pytest.param(
            (Epoch("e1", 1), Epoch("f", 4)),
            {4: 4, 5: 5, 6: 6, 7: 7},
            [("gap", 7, None, 4), ("epoch", 7), (7, 7)],
            id="numbers fell",
        ),
        pytest.param(
            (Epoch("e1", 1), Epoch("f", 7)),
            {7: "gap 4 5", 8: 6, 9: 7},
            [("epoch", 7), ("in-band", 7, "venue", (4, 5)), ("epoch", 9), (9, 7)],
            id="a gap among them",
        ),
        pytest.param(
            (Epoch("e1", 1), Epoch("f", 7)),
            {7: "gap", 8: 1, 9: 2},
            [("epoch", 7), ("in-band", 7, "venue", None), (8, 1), (9, 2)],
            id="ids began anew",
        ),
        pytest.param(
            (Epoch("e1", 1), Epoch("f", 9)), {9: 6, 10: 7}, [("gap", 7, 8, 9), ("epoch", 10), (10, 7)], id="hole"
        ),
        pytest.param((Epoch("e1", 1), Epoch("f", 7)), {7: 6}, [], id="nothing else"),
    ],
)
def test_ticks_that_redis_forgot_and_was_given_again_are_not_told_twice(
    epochs: tuple[Epoch, ...], log: dict[int, int | str], expected: list[object]
) -> None:
    redis = Redis()
    reader = Reader(redis, START)
    reader.PAGE = 100
    redis.publish(6)
    reader.settle()
    reader.ear.heard.clear()
    reader.lose_connection()
    redis.record = Record(max(log), epochs)
    redis.log = [(seq, _entry(what)) for seq, what in log.items()]
    reader.settle()
    assert reader.ear.heard.get(STREAM.name, []) == expected
    # and what comes live afterwards is told as ever
    redis.channel.append(Batch("f", max(log) + 1, 1, 1, [Trade("A", 1_000, 1.0, 1.0, "", 1, 1)]))
    redis.record = redis.record._replace(seq=max(log) + 1)
    redis.log.append((max(log) + 1, Trade("A", 1_000, 1.0, 1.0, "", 1, 1)))
    reader.settle()
    assert reader.ear.heard[STREAM.name][-1] == (max(log) + 1, 1_000)


def _entry(what: int | str) -> Entry:
    if isinstance(what, int):
        return Trade("A", what, 1.0, 1.0, "", 1, 1)
    first, last = (int(word) for word in what.split()[1:]) if " " in what else (None, None)
    return Gap("A", "venue", None if first is None else first - 1, None if last is None else last + 1, 1)


def test_a_redis_that_was_set_back_behind_an_epoch_that_was_passed_is_not_read_again() -> None:
    redis = Redis()
    reader = Reader(redis, START)
    reader.PAGE = 100
    redis.publish(6)
    reader.settle()
    reader.lose_connection()
    # killed: a new epoch, in which ten more were published
    kept = list(redis.log)
    redis.record = Record(16, (Epoch("e1", 1), Epoch("f", 7)))
    redis.log = kept + [(seq, _entry(seq)) for seq in range(7, 17)]
    reader.settle()
    assert reader.ear.seqs(STREAM)[-1] == 16
    reader.ear.heard.clear()
    # killed again, and back with a snapshot of before the first time: nothing to tell until the worker publishes
    reader.lose_connection()
    redis.record, redis.log = Record(6, (Epoch("e1", 1),)), kept
    reader.settle()
    assert reader.ear.heard == {}
    reader.lose_connection()
    redis.record = Record(18, (Epoch("e1", 1), Epoch("g", 17)))
    redis.log = [*kept, (17, _entry(17)), (18, _entry(18))]
    reader.settle()
    assert reader.ear.heard[STREAM.name] == [("epoch", 17), (17, 17), (18, 18)]


def test_a_redis_that_nobody_has_published_to_since_it_came_back_proves_nothing() -> None:
    log = [(seq, _entry(seq)) for seq in range(140, 151)]
    for at, expected in ((Position("e2", 300), []), (Position("e1", 200), []), (Position("e1", 148), [149, 150])):
        reader = Reader(Redis(Record(150, (Epoch("e1", 1),), settled=False), log), at)
        reader.PAGE = 100
        reader.settle()
        assert reader.ear.seqs(STREAM) == expected
        assert len(reader.ear.heard.get(STREAM.name, [])) == len(expected)
    # then the worker tells where it went on
    later = Redis(
        Record(302, (Epoch("e1", 1), Epoch("e2", 160), Epoch("e3", 301))), [(301, _entry(301)), (302, _entry(302))]
    )
    reader = Reader(later, Position("e2", 300))
    reader.PAGE = 100
    reader.settle()
    assert reader.ear.heard[STREAM.name] == [("epoch", 301), (301, 301), (302, 302)]


LIVE = Position("e", 5)


@pytest.mark.parametrize(
    ("epoch", "first", "heard", "old", "phase"),
    [
        pytest.param("e", 6, [6, 7, 8], 0, Phase.LIVE, id="goes on"),
        pytest.param("e", 5, [6, 7], 1, Phase.LIVE, id="partly old"),
        pytest.param("e", 3, [], 3, Phase.LIVE, id="old"),
        pytest.param("e", 7, [], 0, Phase.BEHIND, id="a hole"),
        pytest.param("f", 6, [], 0, Phase.BEHIND, id="another epoch"),
        pytest.param("f", 1, [], 0, Phase.BEHIND, id="another epoch from its start"),
    ],
)
def test_what_a_live_message_is(epoch: str, first: int, heard: list[int], old: int, phase: Phase) -> None:
    ear, reading = Ear(), Reading(STREAM, LIVE, Phase.LIVE)
    entries: list[Entry] = [Trade("A", seq, 1.0, 1.0, "", 1, 1) for seq in range(first, first + 3)]
    assert reading.live(Batch(epoch, first, 1, 1, entries), ear) == old
    assert ear.seqs(STREAM) == heard
    assert reading.phase is phase
    assert reading.at == Position("e", 5 + len(heard))
    assert reading.last_id == (heard[-1] if heard else None)
    assert reading.waiting_entries == (3 if phase is Phase.BEHIND else 0)


def test_doubles_are_dropped_from_live_messages_too() -> None:
    ear, reading = Ear(), Reading(STREAM, LIVE, Phase.LIVE, doubles_to=7)
    reading.live(Batch("e", 6, 1, 1, [Trade("A", tick_id, 1.0, 1.0, "", 1, 1) for tick_id in (6, 7, 8)]), ear)
    assert ear.heard[STREAM.name] == [("epoch", 8), (8, 8)]
    assert reading.doubles_to is None
