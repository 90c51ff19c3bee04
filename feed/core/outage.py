"""How long something was away that should be there, and whether that is news."""


class Outage:
    """Something that comes and goes: it is there until `begins` says otherwise. The caller brings the time, in seconds
    of a clock that never goes back."""

    __slots__ = ("_since", "_why")

    def __init__(self) -> None:
        self._since: float | None = None
        self._why = ""

    @property
    def lasts(self) -> bool:
        return self._since is not None

    def begins(self, why: str, now: float) -> bool:
        """It is away, or still is; whether that is news: it was there, or the reason is another than the last."""
        news = self._since is None or why != self._why
        self._why = why
        if self._since is None:
            self._since = now
        return news

    def ends(self, now: float) -> float | None:
        """It is there. For how many seconds it was not; None where that is no news."""
        since, self._since = self._since, None
        return None if since is None else round(max(0.0, now - since), 3)
