"""What all clients of a rolling update lived through together, and the table that shows it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.integration.rollout.journey import Journey

DRAINED = 1012


@dataclass
class Step:
    """One gateway's replacement: how many clients it had, when it was told to stop (monotonic), with which code it
    ended, and how long after it was told."""

    clients: int
    told_s: float
    code: str
    took_s: float


@dataclass
class Account:
    """A rolling update. `ends` are the last seqs of all streams, `after` the connections of each gateway at the end.
    `every_s` is how often a client should have a tick; `took_s` lasts from the first new gateway's start to the end.
    `published` are the ticks of all streams as their publisher counted them, which `ends` are to come to."""

    journeys: Sequence[Journey]
    ends: Mapping[str, int]
    steps: list[Step] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    every_s: float = 0.0
    ticks_per_s: float = 0.0
    took_s: float = 0.0
    published: int = 0

    @property
    def missed(self) -> int:
        """Ticks that a client should have had: left out on the way, or never come by the end."""
        return sum(journey.missed + journey.short_of(self.ends) for journey in self.journeys)

    @property
    def away_s(self) -> list[float]:
        """From each loss of a connection to the moment at which its streams were resumed, the longest last."""
        return sorted(
            back - closed[0]
            for journey in self.journeys
            for closed, back in zip(journey.closed, journey.back, strict=False)
        )

    def per_second(self, step: Step, what: Sequence[float]) -> list[int]:
        """How many of these moments lie in each second after the gateway was told to stop, until the next one is."""
        ends = min((each.told_s for each in self.steps if each.told_s > step.told_s), default=float("inf"))
        seconds = Counter(int(moment - step.told_s) for moment in what if step.told_s <= moment < ends)
        return [seconds[second] for second in range(max(seconds, default=-1) + 1)]

    def closings(self, step: Step) -> list[int]:
        return self.per_second(step, [closed[0] for journey in self.journeys for closed in journey.closed])

    def returns(self, step: Step) -> list[int]:
        return self.per_second(step, [back for journey in self.journeys for back in journey.back])

    def faults(self, most_in_a_second: float) -> list[str]:
        """What should not be: `most_in_a_second` is the share of a gateway's clients that may come back within one."""
        found = [fault for journey in self.journeys for fault in journey.faults][:5]
        if sum(self.ends.values()) != self.published:
            found.append(f"{self.published} ticks were published, and the streams end at {sum(self.ends.values())}")
        found += [f"{self.missed} ticks missed"] if self.missed else []
        found += [f"{doubled} ticks came twice"] if (doubled := sum(j.doubled for j in self.journeys)) else []
        found += (
            [f"{len(lone)} clients never had a tick"] if (lone := [j for j in self.journeys if not j.ticks]) else []
        )
        found += [f"{len(away)} are not back"] if (away := [j for j in self.journeys if not j.connected]) else []
        codes = Counter(code for journey in self.journeys for _, code in journey.closed)
        found += [f"connections ended with {dict(codes)}"] if set(codes) != {DRAINED} else []
        closed, held = sum(len(j.closed) for j in self.journeys), sum(step.clients for step in self.steps)
        found += [f"{closed} connections ended, and the gateways had {held}"] if closed < held else []
        unwarned = sum(len(j.closed) > j.noticed for j in self.journeys)
        found += [f"{unwarned} clients were closed without a notice"] if unwarned else []
        for number, step in enumerate(self.steps, 1):
            worst = max(self.returns(step), default=0)
            if worst > most_in_a_second * step.clients:
                found.append(f"of the {step.clients} clients of gateway {number}, {worst} came back in one second")
            if step.code != "0":
                found.append(f"gateway {number} ended with {step.code}")
        if (
            sum(self.after) != len(self.journeys)
            or min(self.after, default=0) < len(self.journeys) / len(self.after) / 2
        ):
            found.append(f"the new gateways have {self.after} of {len(self.journeys)} clients")
        return found

    def table(self) -> str:
        """For people: each gateway's seconds, then what all of it came to, in Markdown."""
        lines = [
            "| gateway | clients | ended after, s | back in each second after it was told to stop |",
            "|---|---|---|---|",
        ]
        for number, step in enumerate(self.steps, 1):
            seconds = " ".join(map(str, self.returns(step)))
            lines.append(f"| {number} | {step.clients:,} | {step.took_s:.1f} | {seconds} |")
        lines += ["", "| a rolling update | |", "|---|---|"]
        return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in self._sums())])

    def _sums(self) -> Iterator[tuple[str, str]]:
        kinds = Counter(journey.who for journey in self.journeys)
        yield "clients", f"{len(self.journeys):,} ({', '.join(f'{many:,} {who}' for who, many in kinds.items())})"
        yield "ticks a second, of all symbols", f"{self.ticks_per_s:,.0f}"
        yield "gateways rolled", f"{len(self.steps)} in {self.took_s:.0f} s"
        yield "ticks that clients had", f"{sum(journey.ticks for journey in self.journeys):,}"
        yield "ticks missed, come twice", f"{self.missed}, {sum(journey.doubled for journey in self.journeys)}"
        closed, back, resumed = (
            sum(map(count, self.journeys))
            for count in (lambda one: len(one.closed), lambda one: len(one.back), lambda one: one.resumed)
        )
        yield "connections ended, come back, resumed", f"{closed:,}, {back:,}, {resumed:,}"
        yield "attempts refused", f"{sum(journey.refused for journey in self.journeys)}"
        busiest = [(max(self.returns(step), default=0), step.clients) for step in self.steps]
        worst, of = max(busiest, default=(0, 0))
        yield "reconnects in the busiest second", f"{worst} of {of}"
        if away := self.away_s:
            half, nearly_all = away[len(away) // 2], away[len(away) * 99 // 100]
            yield "without a connection, s: median, p99, longest", f"{half:.2f}, {nearly_all:.2f}, {away[-1]:.2f}"
        silence = sorted(journey.silence_s for journey in self.journeys)
        if silence:
            every = f"one comes every {self.every_s:.2f}"
            yield (
                f"longest without a tick ({every}), s: median client, longest",
                (f"{silence[len(silence) // 2]:.2f}, {silence[-1]:.2f}"),
            )
        yield "connections per new gateway at the end", ", ".join(map(str, self.after))
