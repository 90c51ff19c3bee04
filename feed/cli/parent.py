"""What the parent of a gateway's workers says of itself when it is asked: its own metrics; its workers speak for
themselves."""

from collections.abc import Callable, Collection
from typing import Any

from prometheus_client import REGISTRY

from feed.bus.answer import numbers
from feed.core.sequence import Record
from feed.core.streams import Stream


class View:
    """Speaks for a parent, which has no clients and reads no streams."""

    def __init__(self, not_ready: Callable[[], str]) -> None:
        self._not_ready = not_ready

    def asked(self, streams: Collection[Stream]) -> None:
        """Nothing is measured for the question's sake."""

    async def metrics(self) -> Any:
        return {"not_ready": self._not_ready(), "connections": 0, "families": await numbers(REGISTRY)}

    def stream(self, stream: Stream, record: Record | None) -> Any:  # noqa: ARG002 - it has none
        return None
