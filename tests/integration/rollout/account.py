"""What all clients of a rolling update lived through together, and the table that shows it."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
    """A rolling update. `ends` are the last seqs of all streams, `after` the connections of each gateway at the end."""

    journeys: Sequence[Journey]
    ends: Mapping[str, int]
    steps: list[Step] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    every_s: float = 0.0

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
        found += [f"{self.missed} ticks missed"] if self.missed else []
        found += [f"{doubled} ticks came twice"] if (doubled := sum(j.doubled for j in self.journeys)) else []
        found += (
            [f"{len(lone)} clients never had a tick"] if (lone := [j for j in self.journeys if not j.ticks]) else []
        )
        found += [f"{len(away)} are not back"] if (away := [j for j in self.journeys if not j.connected]) else []
        codes = Counter(code for journey in self.journeys for _, code in journey.closed)
        found += [f"connections ended with {dict(codes)}"] if set(codes) != {DRAINED} else []
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
        """For people."""
        away, silence = self.away_s, sorted(journey.silence_s for journey in self.journeys)
        kinds = Counter(journey.who for journey in self.journeys)
        lines = [f"{len(self.journeys):,} clients ({', '.join(f'{many:,} {who}' for who, many in kinds.items())})"]
        lines.append("gateway  clients  ended after, s  reconnects in each second after it was told to stop")
        for number, step in enumerate(self.steps, 1):
            lines.append(
                f"{number:>7}  {step.clients:>7,}  {step.took_s:>14.1f}  {' '.join(map(str, self.returns(step)))}"
            )
        ticks, doubled = sum(j.ticks for j in self.journeys), sum(j.doubled for j in self.journeys)
        lines.append(f"ticks {ticks:,} · missed {self.missed} · twice {doubled} · attempts refused {self._refused}")
        if away:
            half, nearly_all = away[len(away) // 2], away[len(away) * 99 // 100]
            lines.append(f"away, s: median {half:.2f} · p99 {nearly_all:.2f} · longest {away[-1]:.2f}")
        if silence:
            lines.append(
                f"longest without a tick (one comes every {self.every_s:.2f} s): median client "
                f"{silence[len(silence) // 2]:.2f} · longest {silence[-1]:.2f}"
            )
        lines.append(f"clients of each new gateway at the end: {' '.join(map(str, self.after))}")
        return "\n".join(lines)

    @property
    def _refused(self) -> int:
        return sum(journey.refused for journey in self.journeys)
