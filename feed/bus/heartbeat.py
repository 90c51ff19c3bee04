"""A gateway's own beat on the channel that all of them share: whose it is, and when it left."""


class Heartbeat:
    """Beats of one subscriber. Those of others, and of gateways that put nothing into theirs, are not ours.

    Times are monotonic, in seconds.
    """

    def __init__(self, mine: str) -> None:
        """`mine` is a word that no other subscriber has."""
        self._mark = f"{mine} ".encode()

    def beat(self, now: float) -> bytes:
        """What to publish."""
        return self._mark + b"%d" % (now * 1e6)

    def took_s(self, data: bytes, heard_at: float) -> float | None:
        """How long a beat was on its way; None for one that is not ours."""
        return heard_at - int(data[len(self._mark) :]) / 1e6 if data.startswith(self._mark) else None
