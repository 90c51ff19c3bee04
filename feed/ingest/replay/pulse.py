"""When a client of a replayed venue gets a ping or a heartbeat, and when its silence means that it is gone."""

from enum import Enum, auto

from feed.ingest.replay.personas import Rhythm


class Beat(Enum):
    """What is due for a client."""

    PING = auto()
    HEARTBEAT = auto()
    DEAD = auto()


class Pulse:
    """One client's. Pure: time is an argument, in seconds on any steady scale."""

    def __init__(self, rhythm: Rhythm, now_s: float) -> None:
        self._rhythm = rhythm
        self._pinged_s = now_s
        self._unanswered_since_s: float | None = None
        self._sent_s = now_s

    def sent(self, now_s: float) -> None:
        """Something went to the client."""
        self._sent_s = now_s

    def pong(self) -> None:
        """The client answered a ping."""
        self._unanswered_since_s = None

    def due(self, now_s: float, subscribed: bool) -> list[Beat]:
        """What is to be sent now, and is taken as sent."""
        rhythm, since = self._rhythm, self._unanswered_since_s
        if since is not None and rhythm.pong_within_s is not None and now_s - since >= rhythm.pong_within_s:
            return [Beat.DEAD]
        beats = []
        if rhythm.ping_s is not None and now_s - self._pinged_s >= rhythm.ping_s:
            beats.append(Beat.PING)
            self._pinged_s = now_s
            self._unanswered_since_s = now_s if since is None else since
        if rhythm.heartbeat is not None and subscribed and now_s - self._sent_s >= rhythm.heartbeat_s:
            beats.append(Beat.HEARTBEAT)
            self._sent_s = now_s
        return beats
