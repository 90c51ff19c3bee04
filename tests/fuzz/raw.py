"""Attacks on the sockets of a real gateway, one kind after the other, and a table of what came of them.

    python -m tests.fuzz.raw --seconds 30 --seed 1

A witness with a key reads ticks meanwhile. Every attempt is made from its seed and number alone. Ends with 1 where
anybody got in, anything crashed, memory passed its bound, the witness missed a tick, or something was left over.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz import breaches, commands, handshakes
from tests.fuzz.attempts import attempt
from tests.fuzz.frames import Door, Plan
from tests.fuzz.target import Target, target
from tests.fuzz.witness import Witness, still_serves

Attack = Callable[[random.Random, Door], Plan]

ATTACKS: Final[tuple[Attack, ...]] = (
    handshakes.mutated_heads, handshakes.wrong_heads, handshakes.odd_offers, handshakes.paths, handshakes.bodies,
    handshakes.huge_heads, handshakes.endless_heads, handshakes.pipelined, breaches.unmasked, breaches.bad_first_bytes,
    breaches.bad_lengths, breaches.short_lengths, breaches.endless_fragments, breaches.empty_fragments,
    breaches.bad_controls, breaches.bombs, breaches.bad_deflate, breaches.bad_texts, breaches.bad_closes,
    breaches.data_after_close, breaches.ping_floods, breaches.mutated_frames, commands.mutated_commands,
    commands.shaped_commands, commands.deep_commands, commands.command_floods, commands.uninvited, commands.guessed,
)  # fmt: skip
AT_ONCE: Final = 24
# What one connection may make the gateway hold: 1 MiB of commands that wait, 0.75 MiB of messages and of what is read
# ahead of them, 4.25 MiB of answers that nobody reads.
MOST_EACH_BYTES: Final = 6 << 20
# Besides: what the witness and the log of ticks take while it runs.
MOST_BESIDES_BYTES: Final = 32 << 20
# Connections to Redis that a gateway opens when REST is first asked for something.
REDIS_FILES: Final = 4
SETTLE_S: Final = 15.0
WATCH_S: Final = 0.1


@dataclass
class Row:
    """What became of one kind. `let_in` counts strangers; `held` is what the gateway should have ended and did not,
    `silent_s` the longest that the witness waited for a tick."""

    kind: str
    tried: int = 0
    let_in: int = 0
    crashed: int = 0
    held: int = 0
    peak_bytes: int = 0
    unanswered: int = 0
    silent_s: float = 0.0


@dataclass
class Report:
    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    ticks: int = 0

    @property
    def passed(self) -> bool:
        return not self.faults and not any(row.let_in or row.crashed or row.held or row.unanswered for row in self.rows)


async def attack(place: Target, seconds: float, seed: int, attacks: Sequence[Attack] = ATTACKS) -> Report:
    """Tries each kind for its share of the time, and looks after each what it did."""
    report, witness, subscribed = Report(), Witness(), asyncio.Event()
    reading = asyncio.create_task(witness.run(place, subscribed))
    try:
        begun = asyncio.create_task(subscribed.wait())
        await asyncio.wait({begun, reading}, timeout=SETTLE_S, return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            begun.cancel()
            reading.cancel()
            raise RuntimeError(f"the witness got no ticks: {await asyncio.gather(reading, return_exceptions=True)}")
        breaches.the_bomb()  # takes a second, in which the witness would not be read
        before, base = place.vitals(), place.resident_bytes()
        bound = base + AT_ONCE * MOST_EACH_BYTES + MOST_BESIDES_BYTES
        for number, kind in enumerate(attacks):
            witness.silent_s = 0.0
            row = await _try(place, kind, seconds / len(attacks), random.Random(f"{seed} {number}").randrange(2**32))
            row.silent_s = witness.silent_s
            report.rows.append(row)
            if row.peak_bytes > bound:
                report.faults.append(f"{row.kind}: {row.peak_bytes >> 20} MiB, the bound is {bound >> 20}")
            if not place.runs:
                report.faults.append(f"{row.kind}: the gateway is gone")
                return report
        report.faults += await _left_over(place, before)
        if not await still_serves(place):
            report.faults.append("a client that came afterwards got nothing")
    finally:
        report.faults += witness.faults
        report.ticks = witness.ticks
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return report


async def _try(place: Target, kind: Attack, seconds: float, seed: int) -> Row:
    """`AT_ONCE` at a time, until the time is up; every other one by somebody with a key."""
    row, end, numbers = Row(kind.__name__.replace("_", " ")), time.monotonic() + seconds, iter(range(sys.maxsize))

    async def go_on() -> None:
        while time.monotonic() < end and place.runs:
            number = next(numbers)
            chance = random.Random(f"{seed} {number}")
            plan = kind(chance, place.door if number % 2 else Door())
            row.tried += 1
            try:
                outcome = await attempt(place.host, place.port, plan)
            except (OSError, TimeoutError):
                row.unanswered += 1
                continue
            # who has a key may come in; these two kinds come without, whatever door they were offered
            stranger = number % 2 == 0 or kind in (commands.uninvited, commands.guessed)
            row.let_in += outcome.let_in and stranger
            row.held += plan.must_end and not plan.deaf and not outcome.ended

    watching = asyncio.create_task(_watch(place, row))
    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    faults = place.faults()
    row.crashed = len(faults) + (not place.runs)
    for fault in faults[:5]:
        print(f"{row.kind}: {fault[:2_000]}", file=sys.stderr)
    return row


async def _watch(place: Target, row: Row) -> None:
    while place.runs:
        row.peak_bytes = max(row.peak_bytes, place.resident_bytes())
        await asyncio.sleep(WATCH_S)


async def _left_over(place: Target, before: dict[str, float]) -> list[str]:
    """What is more than before once the attackers are gone: connections, open files, subscriptions, lanes."""
    names = ("feed_gateway_connections", "feed_gateway_subscriptions", "feed_gateway_lanes", "process_open_fds")
    more: list[str] = []
    allowed = {"process_open_fds": REDIS_FILES}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            while True:
                now = await asyncio.to_thread(place.vitals)
                grown = {n: now[n] - before.get(n, 0.0) for n in names if n in now}
                more = [f"{n}: {many:g} more than before" for n, many in grown.items() if many > allowed.get(n, 0)]
                if not more:
                    return []
                await asyncio.sleep(0.2)
    return more


def table(report: Report) -> str:
    """The report as a Markdown table."""
    lines = [
        "| kind | tried | got in | crashed | held open | unanswered | memory, MiB | witness waited, ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in [*report.rows, _all(report.rows)]:
        counts = (row.tried, row.let_in, row.crashed, row.held, row.unanswered, row.peak_bytes >> 20)
        cells = [row.kind, *(f"{count:,}" for count in counts), f"{row.silent_s * 1_000:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"The witness read {report.ticks:,} ticks.", *report.faults[:20]])


def _all(rows: Sequence[Row]) -> Row:
    tried, let_in, crashed, held, unanswered = (
        sum(getattr(row, name) for row in rows) for name in ("tried", "let_in", "crashed", "held", "unanswered")
    )
    peak, silent_s = max((row.peak_bytes for row in rows), default=0), max((row.silent_s for row in rows), default=0.0)
    return Row("all", tried, let_in, crashed, held, peak, unanswered, silent_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="kinds whose names hold this")
    options = parser.parse_args()
    chosen = [kind for kind in ATTACKS if (options.only or "") in kind.__name__]
    with tempfile.TemporaryDirectory(prefix="feed-fuzz-") as directory, target(Path(directory)) as place:
        report = asyncio.run(attack(place, options.seconds, options.seed, chosen))
    print(table(report))
    sys.exit(not report.passed)


if __name__ == "__main__":
    main()
