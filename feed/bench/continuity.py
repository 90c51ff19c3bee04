"""Whether a depth-two client missed anything: its place in each stream, and what its messages leave out."""

from collections.abc import Iterable, Mapping
from typing import Any

from feed.bench.samples import KINDS


class Continuity:
    """One client's places, over all its connections, and the faults among what it was sent."""

    def __init__(self) -> None:
        self.positions: dict[str, tuple[str | None, int]] = {}
        self.messages = 0
        self.gaps = 0
        self.skipped = 0
        self.repeated = 0
        self.lost = 0

    @property
    def faults(self) -> int:
        """Gaps named, numbers skipped or given twice, resumes that were not recovered."""
        return self.gaps + self.skipped + self.repeated + self.lost

    def take(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Takes one frame's messages."""
        for message in messages:
            kind = message["T"]
            if kind in KINDS:
                self._data(f"{KINDS[kind]}:{message['S']}", message)
            elif kind == "gap":
                self.gaps += 1
                self.positions[message["stream"]] = (message["next"]["epoch"], message["next"]["seq"] - 1)
            elif kind == "epoch":
                self.positions[message["stream"]] = (message["epoch"], message["seq"] - 1)
            elif kind == "subscription":
                self._answer(message["streams"])

    def since(self) -> dict[str, dict[str, str | int | None]]:
        """What to resume after."""
        return {stream: {"epoch": epoch, "seq": seq} for stream, (epoch, seq) in self.positions.items()}

    def _data(self, stream: str, message: Mapping[str, Any]) -> None:
        self.messages += 1
        last = message["q"]
        first = message["m"]["q0"] if "m" in message else last
        epoch, at = self.positions.get(stream, (None, first - 1))
        if first > at + 1:
            self.skipped += first - at - 1
        elif first <= at:
            self.repeated += 1
        self.positions[stream] = (epoch, last)

    def _answer(self, streams: Mapping[str, Mapping[str, Any]]) -> None:
        for stream, state in streams.items():
            if not state.get("recovered", True):
                self.lost += 1
            self.positions.setdefault(stream, (state["epoch"], state["seq"]))
