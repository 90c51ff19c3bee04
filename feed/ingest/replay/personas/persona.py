"""What a replayed venue does besides sending its frames: how it greets, what it answers, which frames go to whom."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol

from feed.ingest.replay.recording import Frame


class Refusal(Exception):
    """The handshake is refused with this HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class Reply(NamedTuple):
    """Frames to send, in order, and then the code to close with, if any."""

    frames: Sequence[bytes] = ()
    close: int | None = None


class Rhythm(NamedTuple):
    """What a venue sends by the clock. None means never."""

    ping_s: float | None = None
    pong_within_s: float | None = None
    heartbeat: bytes | None = None
    heartbeat_s: float = 1.0
    """A heartbeat goes to a client that subscribed and was sent nothing for so long."""


class Dialogue(Protocol):
    """One client's connection. Pure: time is an argument."""

    @property
    def topics(self) -> AbstractSet[str]:
        """What the client is subscribed to."""
        ...

    def greeting(self) -> Sequence[bytes]:
        """What the venue says first."""
        ...

    def hear(self, text: bytes, now_s: float, /) -> Reply:
        """Answers one command. Whatever the client sends, it gets the venue's answer, never an exception."""
        ...

    def payload(self, frame: Frame) -> bytes:
        """A recorded frame as this client gets it."""
        ...


class Persona(Protocol):
    """One venue. Pure."""

    name: str
    rhythm: Rhythm

    def topic(self, message: Any) -> str | None:
        """What to subscribe to in order to get this frame; None for greetings, answers and heartbeats of the recorded
        connection, which clients of this one get anew. Raises ValueError for a frame that this venue doesn't send.
        """
        ...

    def learn(self, message: Any, /) -> None:
        """Is shown every recorded frame once, before the first client comes. Raises ValueError as `topic` does."""
        ...

    def open(self, path: str, query: Mapping[str, str], /) -> Dialogue:
        """A client connects. Raises Refusal."""
        ...
