"""What an outlet asks of whoever's streams it publishes."""

from collections.abc import Iterable
from typing import Protocol

from feed.bus.connect import Link
from feed.bus.lane import Lane
from feed.bus.topology import Node, Redirection


class Owner(Protocol):
    """Whose streams an outlet publishes."""

    feed: str
    buffered_bytes: int

    def lanes_of(self, node: Node) -> Iterable[Lane]:
        """The streams that are published there."""
        ...

    def place(self, lane: Lane) -> None:
        """A stream has something to send: gives it its turn where it belongs now."""
        ...

    def redirected(self, lane: Lane, to: Redirection) -> None:
        """A stream's call is for another master."""
        ...

    def ahead(self, lane: Lane) -> None:
        """A stream was published where its keys are, which is not yet where it is read."""
        ...

    def astray(self) -> None:
        """Something suggests that the masters are others by now."""
        ...

    def new_number(self, above: int = 0) -> int:
        """A number for a call: higher than all before, and than `above`."""
        ...

    def begun_anew(self, lane: Lane) -> None:
        """Redis forgot a stream, and so perhaps its entry in the directory."""
        ...

    def settle(self) -> None:
        """All may be published."""
        ...

    def linked(self, node: Node, *, up: bool) -> None:
        """A connection to a master came, or went."""
        ...

    async def report(self, link: Link, node: Node, now: float) -> float:
        """Does what is due at that node beside publishing: beats, the directory. Answers when it is due again."""
        ...
