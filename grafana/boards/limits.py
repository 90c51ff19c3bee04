"""Where a panel turns yellow and red. Those that an alert has too are equal to it, and a test holds them so."""

from typing import Final, NamedTuple

GREEN: Final = "green"
YELLOW: Final = "yellow"
RED: Final = "red"
PLAIN: Final = "text"


class Step(NamedTuple):
    """The colour from this value on; None is from the lowest."""

    color: str
    value: float | None


Limits = tuple[Step, ...]
NO_LIMITS: Final[Limits] = (Step(PLAIN, None),)

UP_OR_DOWN: Final = {0: ("down", RED), 1: ("up", GREEN)}
LIVE_OR_STALE: Final = {0: ("stale", RED), 1: ("live", GREEN)}
READY_OR_NOT: Final = {0: ("not ready", RED), 1: ("ready", GREEN)}
READABLE_OR_NOT: Final = {0: ("unreadable", RED), 1: ("readable", GREEN)}


def rising(red: float, yellow: float | None = None) -> Limits:
    """The more, the worse."""
    middle = () if yellow is None else (Step(YELLOW, yellow),)
    return (Step(GREEN, None), *middle, Step(RED, red))


def falling(red: float, yellow: float | None = None) -> Limits:
    """The less, the worse: red below the one, yellow below the other."""
    if yellow is None:
        return (Step(RED, None), Step(GREEN, red))
    return (Step(RED, None), Step(YELLOW, red), Step(GREEN, yellow))


def worth_a_look(yellow: float) -> Limits:
    """Never red."""
    return (Step(GREEN, None), Step(YELLOW, yellow))


def little_left(yellow: float) -> Limits:
    """Never red, and yellow below."""
    return (Step(YELLOW, None), Step(GREEN, yellow))


BAD_IS_ZERO: Final = falling(1)
EVEN_ONE: Final = rising(1)
