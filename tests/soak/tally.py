"""What reading clients saw together, and the check that every stream's numbers rise by one."""

import time
from collections.abc import Sequence
from typing import Any, Final

KINDS: Final = ("trades", "quotes")
KIND_OF: Final = {"t": "trades:", "q": "quotes:"}
FAULTS_TOLD: Final = 10

Message = dict[str, Any]


class Tally:
    """Counts of all clients of one run; the first few faults in words; delays from publish to here."""

    def __init__(self) -> None:
        self.messages = self.frames = self.holes = self.repeats = self.gaps = self.conflated = self.closed = 0
        self.first_faults: list[str] = []
        self.delays_ms: list[float] = []

    def fault(self, text: str) -> None:
        if len(self.first_faults) < FAULTS_TOLD:
            self.first_faults.append(text)

    def ended(self, text: str) -> None:
        """A connection ended that its client did not end."""
        self.closed += 1
        self.fault(text)

    def check(self, messages: Sequence[Message], at: dict[str, int]) -> list[Message]:
        """Counts a frame's messages and what is wrong with their numbers. Returns those that are no ticks.

        `at` is where each stream stands: its last number, by key; it is moved.
        """
        self.frames += 1
        self.messages += len(messages)
        others = []
        for message in messages:
            kind = KIND_OF.get(message["T"])
            if kind is None:
                self.gaps += message["T"] == "gap"
                others.append(message)
                continue
            key, last = kind + message["S"], message["q"]
            first = last
            if "m" in message:
                first, self.conflated = message["m"]["q0"], self.conflated + message["m"]["n"] - 1
            if first > at[key] + 1:
                self.holes += 1
                self.fault(f"{key}: {at[key]} then {first}")
            elif first <= at[key]:
                self.repeats += 1
                self.fault(f"{key}: {at[key]} then {first} again")
            at[key] = last
        return others

    def sample(self, message: Message) -> None:
        """Notes the delay of a message that carries stamps."""
        if "tp" in message:
            self.delays_ms.append(time.time() * 1000 - message["tp"] / 1000)

    def report(self) -> dict[str, Any]:
        """What was seen, as JSON can hold it."""
        return {
            "messages": self.messages, "frames": self.frames, "holes": self.holes, "repeats": self.repeats,
            "gaps": self.gaps, "conflated": self.conflated, "closed": self.closed,
            "faults": self.first_faults,
            "delay_ms": {"p50": self._percentile(0.5), "p99": self._percentile(0.99), "max": self._percentile(1.0)},
        }  # fmt: skip

    def _percentile(self, share: float) -> float | None:
        delays = sorted(self.delays_ms)
        return round(delays[min(len(delays) - 1, int(share * len(delays)))], 3) if delays else None
