"""The one clock of a replay: when each recorded frame is due."""


class Clock:
    """Recorded time, `speed` times as fast. Speed 0 is no clock at all: everything is due at once."""

    def __init__(self, speed: float, origin_ns: int, now_s: float) -> None:
        """The frame of `origin_ns` is due now."""
        self._speed = speed
        self._origin_ns = origin_ns
        self._began_s = now_s

    def due_s(self, ts_ns: int) -> float:
        """When a frame is due, on the scale of `now_s`."""
        if self._speed == 0:
            return self._began_s
        return self._began_s + (ts_ns - self._origin_ns) / 1e9 / self._speed

    def hold(self, seconds: float) -> None:
        """The clock stood still for so long: what is still to come is due that much later."""
        self._began_s += seconds
