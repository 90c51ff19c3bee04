"""How often something may happen: a token bucket."""


class TokenBucket:
    """Holds up to `burst` tokens, one at least, and gains `rate` a second. The caller brings the time, in seconds."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)  # with less nothing would ever be let through
        self._tokens = self._burst
        self._at = now

    def take(self, now: float) -> bool:
        """Takes one token if there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def spend(self, tokens: float) -> None:
        """Takes tokens for what was let through already; at most as many are owed as there may ever be."""
        self._tokens = max(-self._burst, self._tokens - tokens)
