from typing import Any

import pytest

from feed.client.events import Breach, Fault, Gap, Granted, Merged, NewEpoch, Update
from feed.client.positions import Places, Then
from feed.core.streams import Position
from feed.core.ticks import Quote, Trade

STREAM = "trades:AAPL"


def standing(seq: int, epoch: str | None = "e1") -> Places:
    places = Places()
    assert places.granted(STREAM, Granted(epoch, seq), asked=False) is None
    return places


def at(places: Places) -> Position:
    return places.positions()[STREAM]


def tick(seq: int, merged: Merged | None = None, *, snapshot: bool = False) -> Update:
    return Update(STREAM, "e1", seq, Trade("AAPL", seq, 10.0, 5.0, "B", 0, 0), merged, snapshot)


def of(ticks: int, first: int, volume: float = 99, high: float = 12, low: float = 9) -> Merged:
    return Merged(ticks, first, volume, high, low)


@pytest.mark.parametrize(
    ("update", "fault", "then", "stands"),
    [
        (tick(11), None, Then.GIVEN, 11),
        (tick(12), (Breach.HOLE, 11, 11), Then.AGAIN, 11),
        (tick(20), (Breach.HOLE, 11, 19), Then.AGAIN, 19),
        (tick(10), (Breach.REPEAT, 10, 10), Then.WITHHELD, 10),
        (tick(3), (Breach.REPEAT, 3, 3), Then.WITHHELD, 10),
        (tick(10, snapshot=True), None, Then.GIVEN, 10),
        (tick(8, snapshot=True), None, Then.GIVEN, 10),  # 9 and 10 were gaps of the log
        (tick(11, snapshot=True), None, Then.GIVEN, 11),  # after a gap that ends before it
        (tick(12, snapshot=True), (Breach.HOLE, 11, 11), Then.AGAIN, 11),
        (tick(14, of(4, 11)), None, Then.GIVEN, 14),
        (tick(14, of(3, 12)), (Breach.HOLE, 11, 11), Then.AGAIN, 11),
        (tick(14, of(6, 9)), (Breach.REPEAT, 9, 10), Then.GIVEN, 14),
        (tick(9, of(2, 8)), (Breach.REPEAT, 8, 9), Then.WITHHELD, 10),
        (tick(14, of(3, 11)), (Breach.TOTALS, 11, 14), Then.GIVEN, 14),
        (tick(14, of(5, 11)), (Breach.TOTALS, 11, 14), Then.GIVEN, 14),
        (tick(11, of(1, 11)), (Breach.TOTALS, 11, 11), Then.GIVEN, 11),
        (tick(14, of(4, 11, high=9.5)), (Breach.TOTALS, 11, 14), Then.GIVEN, 14),
        (tick(14, of(4, 11, low=10.5)), (Breach.TOTALS, 11, 14), Then.GIVEN, 14),
        (tick(14, of(4, 11, volume=4.5)), (Breach.TOTALS, 11, 14), Then.GIVEN, 14),
        (tick(14, Merged(4, 11)), (Breach.TOTALS, 11, 14), Then.GIVEN, 14),
    ],
)
def test_judges_a_tick_by_its_number(
    update: Update, fault: tuple[Breach, int, int] | None, then: Then, stands: int
) -> None:
    places = standing(10)
    found, verdict = places.update(update)
    assert verdict is then
    assert (found and (found.breach, found.first, found.last)) == fault
    assert (found.update if found else None) == (update if then is Then.WITHHELD else None)
    assert at(places) == Position("e1", stands)


def test_quotes_have_no_totals() -> None:
    places = Places()
    places.granted("quotes:AAPL", Granted("e1", 10), asked=False)
    quote = Quote("AAPL", None, 1.0, 1.0, 2.0, 1.0, 0, 0)
    assert places.update(Update("quotes:AAPL", "e1", 14, quote, Merged(4, 11))) == (None, Then.GIVEN)


def test_what_comes_after_a_hole_is_given_when_judged_again() -> None:
    places = standing(10)
    assert places.update(tick(13))[1] is Then.AGAIN
    assert places.update(tick(13)) == (None, Then.GIVEN)
    assert places.update(tick(14)) == (None, Then.GIVEN)


def test_a_tick_out_of_order_is_told_from_one_that_came_twice() -> None:
    places = standing(10)
    for update in (tick(11), tick(14), tick(14)):
        places.update(update)
    breaches = [fault.breach for update in (tick(12), tick(11), tick(14)) if (fault := places.update(update)[0])]
    assert breaches == [Breach.LATE, Breach.REPEAT, Breach.REPEAT]


def test_a_stream_that_never_published_begins_at_one() -> None:
    places = standing(0, None)
    assert places.epoch(NewEpoch(STREAM, "e1", 1)) is None
    assert places.update(tick(1)) == (None, Then.GIVEN)
    assert at(places) == Position("e1", 1)


def test_a_stream_that_a_wildcard_brings_begins_with_its_first_epoch() -> None:
    places = Places()
    assert places.epoch(NewEpoch(STREAM, "e1", 1)) is None
    assert places.update(tick(1)) == (None, Then.GIVEN)


def test_a_stream_that_was_never_announced_is_taken_as_it_comes_and_told_of() -> None:
    places = Places()
    assert places.update(tick(700)) == (Fault(Breach.UNPLACED, STREAM, "e1", 700, 700), Then.GIVEN)
    assert places.update(tick(701)) == (None, Then.GIVEN)


@pytest.mark.parametrize(
    ("gap", "fault", "following"),
    [
        (Gap(STREAM, "e1", 11, 14, Position("e1", 15), "bus"), None, Position("e1", 15)),
        (Gap(STREAM, "e1", 11, 11, Position("e1", 12), "venue", (5, 7), 11), None, Position("e1", 12)),
        (Gap(STREAM, "e1", 11, 14, Position("e2", 15), "bus"), None, Position("e2", 15)),
        (Gap(STREAM, "e1", 11, None, Position("e2", 15), "bus"), None, Position("e2", 15)),
        # Redis forgot: the new epoch numbers from further back
        (Gap(STREAM, "e1", 11, None, Position("e2", 4), "bus"), None, Position("e2", 4)),
        (Gap(STREAM, "e1", 11, None, Position("e1", 4), "history"), None, Position("e1", 4)),
        # names what was delivered
        (Gap(STREAM, "e1", 3, 9, Position("e1", 10), "bus"), (Breach.REPEAT, 3, 9), Position("e1", 11)),
        (Gap(STREAM, "e1", 9, 12, Position("e1", 13), "bus"), (Breach.REPEAT, 9, 10), Position("e1", 13)),
        (Gap(STREAM, "e1", 9, None, Position("e2", 1), "bus"), (Breach.REPEAT, 9, 10), Position("e2", 1)),
    ],
)
def test_a_gap_moves_the_position_behind_itself(
    gap: Gap, fault: tuple[Breach, int, int] | None, following: Position
) -> None:
    places = standing(10)
    found, then = places.gap(gap)
    assert then is Then.GIVEN
    assert (found and (found.breach, found.first, found.last)) == fault
    assert at(places) == following._replace(seq=following.seq - 1)
    assert places.update(tick(following.seq)) == (None, Then.GIVEN)


def test_a_gap_that_names_too_little_leaves_a_hole() -> None:
    places = standing(10)
    gap = Gap(STREAM, "e1", 13, None, Position("e2", 15), "bus")
    fault, then = places.gap(gap)
    assert then is Then.AGAIN
    assert fault == Fault(Breach.HOLE, STREAM, "e1", 11, 12)
    assert places.gap(gap) == (None, Then.GIVEN)
    assert at(places) == Position("e2", 14)


@pytest.mark.parametrize(("seq", "late"), [(11, False), (15, False), (10, True), (4, True)])
def test_a_change_of_epoch_goes_on_in_numbers_that_rise(seq: int, late: bool) -> None:
    places = standing(10)
    fault = places.epoch(NewEpoch(STREAM, "e2", seq))
    assert (fault is not None and fault.breach is Breach.LATE) is late
    assert at(places) == Position("e2", seq - 1)


def test_a_heartbeat_tells_once_of_what_never_came_and_the_position_stays() -> None:
    places = standing(10)
    assert places.behind({STREAM: 10}) == []
    assert places.behind({STREAM: 12}) == [Fault(Breach.BEHIND, STREAM, "e1", 11, 12)]
    assert places.behind({STREAM: 12}) == []
    assert places.behind({STREAM: 13}) == [Fault(Breach.BEHIND, STREAM, "e1", 13, 13)]
    assert at(places) == Position("e1", 10)
    # the hole before the next tick is that of which the heartbeat told, and one more
    assert places.update(tick(15))[0] == Fault(Breach.HOLE, STREAM, "e1", 14, 14)
    assert places.update(tick(15)) == (None, Then.GIVEN)


def test_a_heartbeat_tells_of_streams_that_were_never_announced() -> None:
    places = Places()
    assert places.behind({STREAM: 0}) == []
    assert places.behind({STREAM: 7}) == [Fault(Breach.UNPLACED, STREAM, None, 1, 7)]
    assert places.behind({STREAM: 7}) == []


KEPT = Position("e1", 10)


@pytest.mark.parametrize(
    ("kept", "state", "asked", "stands", "lost"),
    [
        (KEPT, Granted("e1", 14, 0, True), True, KEPT, None),
        (KEPT, Granted("e2", 3, 0, False), True, KEPT, None),  # a gap message follows
        (None, Granted("e1", 14), False, Position("e1", 14), None),
        (KEPT, Granted("e1", 14), False, Position("e1", 14), (11, 14)),  # it could not be asked
        (KEPT, Granted("e1", 14), True, Position("e1", 14), (11, 14)),  # the gateway knows no resuming
        (KEPT, Granted("e1", 10), False, KEPT, None),
        (KEPT, Granted("e2", 14), False, Position("e2", 14), (11, None)),
        (KEPT, Granted("e1", 4), False, Position("e1", 4), (11, None)),
        (Position(None, 0), Granted("e1", 4), False, Position("e1", 4), (1, 4)),
    ],
)
def test_begins_anew_or_goes_on_where_it_stood(
    kept: Position | None, state: Granted, asked: bool, stands: Position, lost: Any
) -> None:
    places = Places({STREAM: kept} if kept else None)
    gap = places.granted(STREAM, state, asked=asked)
    assert at(places) == stands
    assert (gap and (gap.first, gap.last)) == lost
    assert gap is None or (gap.cause, gap.next) == ("client", Position(state.epoch, state.seq + 1))


def test_an_answer_about_the_rate_moves_nothing() -> None:
    places = standing(10)
    assert places.granted(STREAM, Granted("e1", 14, 5), asked=False) is None
    assert at(places) == Position("e1", 10)


def test_positions_survive_a_lost_connection_and_what_was_told_does_not() -> None:
    places = standing(10)
    places.behind({STREAM: 12})
    places.disconnected()
    assert at(places) == Position("e1", 10)
    assert places.granted(STREAM, Granted("e1", 12, 0, True), asked=True) is None
    assert places.update(tick(13))[0] == Fault(Breach.HOLE, STREAM, "e1", 11, 12)


def test_a_stream_that_was_dropped_has_no_position() -> None:
    places = standing(10)
    places.drop(STREAM)
    assert places.positions() == {}


@pytest.mark.parametrize(
    ("stream", "position"),
    [
        ("AAPL", ("e1", 1)),
        ("news:AAPL", ("e1", 1)),
        ("trades:a b", ("e1", 1)),
        *((STREAM, position) for position in ((None, 1), ("e1", -1), ("e1",), (1, 1), ("e1", "1"))),
    ],
)
def test_refuses_what_is_no_position(stream: str, position: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Places({stream: position})


def test_takes_positions_as_json_gives_them() -> None:
    assert Places({STREAM: ["e1", 3]}).positions() == {STREAM: Position("e1", 3)}
