"""What the account of a rolling update notices: one fault at a time, in a story that is else without any."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.integration.rollout.account import DRAINED, Account, Step
from tests.integration.rollout.journey import Journey, Place

STREAMS = ("trades:A", "trades:B")
ENDS = {"trades:A": 13, "trades:B": 8}


def lived(number: int) -> Journey:
    """A client with two streams whose connection was ended at its own moment."""
    journey = Journey("own")
    journey.answered({"trades:A": Place("e", 10), "trades:B": Place("e", 5)}, 0.0)
    for seq in (11, 12):
        journey.tick("trades:A", seq, 1.0)
    journey.tick("trades:B", 6, 1.0)
    journey.noticed += 1
    journey.lost(DRAINED, 100.0 + number)
    return journey


def back(journey: Journey, number: int) -> None:
    journey.answered({"trades:A": Place("e", 12, True), "trades:B": Place("e", 6, True)}, 100.5 + number)
    journey.tick("trades:A", 13, 101.0 + number)
    journey.tick("trades:B", 7, 101.0 + number)
    journey.tick("trades:B", 8, 102.0 + number)


def story() -> Account:
    journeys = [lived(number) for number in range(10)]
    for number, journey in enumerate(journeys):
        back(journey, number)
    return Account(journeys, ENDS, [Step(10, 99.0, "0", 12.0)], [10], published=sum(ENDS.values()))


def test_a_story_without_a_fault_has_none() -> None:
    account = story()
    assert account.faults(0.4) == []
    assert account.missed == 0
    assert account.returns(account.steps[0]) == [0, *[1] * 10]
    assert "| ticks missed, come twice | 0, 0 |" in account.table()


def a_hole(account: Account) -> None:
    account.journeys[3].at["trades:A"] = ("e", 13)
    account.journeys[3].tick("trades:A", 15, 110.0)


def twice(account: Account) -> None:
    account.journeys[3].tick("trades:B", 8, 110.0)


def not_to_the_end(account: Account) -> None:
    account.journeys[3].at["trades:B"] = ("e", 7)


def not_resumed(account: Account) -> None:
    account.journeys[3].lost(DRAINED, 110.0)
    account.journeys[3].noticed += 1
    account.journeys[3].answered({"trades:A": Place("e", 13, True), "trades:B": Place("e", 8, False)}, 110.5)


def merged(account: Account) -> None:
    account.journeys[3].tick("trades:A", 14, 110.0, merged=True)


def cut_off(account: Account) -> None:
    account.journeys[3].closed[0] = (103.0, None)


def away(account: Account) -> None:
    account.journeys[3].lost(DRAINED, 110.0)
    account.journeys[3].noticed += 1


def unwarned(account: Account) -> None:
    account.journeys[3].noticed = 0


def together(account: Account) -> None:
    for journey in account.journeys[:5]:
        journey.back[0] = 104.0


def killed(account: Account) -> None:
    account.steps[0] = replace(account.steps[0], code="-9")


def left_where_they_were(account: Account) -> None:
    account.after = [10, 0]


def less_than_published(account: Account) -> None:
    account.published += 1


def never_ended(account: Account) -> None:
    journey = account.journeys[3]
    journey.closed.clear()
    journey.back.clear()


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (a_hole, "1 ticks missed"),
        (twice, "1 ticks came twice"),
        (not_to_the_end, "1 ticks missed"),
        (not_resumed, "trades:B was not recovered"),
        (merged, "was conflated"),
        (cut_off, "connections ended with"),
        (away, "1 are not back"),
        (unwarned, "1 clients were closed without a notice"),
        (together, "came back in one second"),
        (killed, "gateway 1 ended with -9"),
        (left_where_they_were, "the new gateways have [10, 0] of 10 clients"),
        (less_than_published, "22 ticks were published, and the streams end at 21"),
        (never_ended, "9 connections ended, and the gateways had 10"),
    ],
    ids=lambda of: getattr(of, "__name__", ""),
)
def test_a_planted_fault_is_found(plant: Callable[[Account], None], words: str) -> None:
    account = story()
    plant(account)
    assert any(words in fault for fault in account.faults(0.4)), account.faults(0.4)
