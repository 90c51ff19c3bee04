"""Whether a client is still there, which no TCP connection tells by itself."""

from enum import Enum


class Vital(Enum):
    WELL = "well"
    ASK = "ask"  # send it a ping
    GONE = "gone"


class Pulse:
    """One client's: silent for `ping_s` it is pinged, and silent for half as long after that it is gone.

    Looked at now and then, for all clients in turn: a timer for each would take half a kilobyte, and a circle of
    references that holds all of a closed connection until the garbage collector comes by.
    """

    __slots__ = ("_asked", "_heard")

    def __init__(self, now: float) -> None:
        self._heard = now
        self._asked: float | None = None

    def heard(self, now: float) -> None:
        """Something came from the client."""
        self._heard = now
        self._asked = None

    def look(self, now: float, ping_s: float) -> Vital:
        if self._asked is not None:
            return Vital.GONE if now - self._asked >= ping_s / 2 else Vital.WELL
        if now - self._heard < ping_s:
            return Vital.WELL
        self._asked = now
        return Vital.ASK
