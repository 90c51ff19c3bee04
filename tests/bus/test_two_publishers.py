"""Two publishers of one stream, whatever happens to them: nothing twice, all in order, and what is missing is named."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from structlog.testing import capture_logs

from feed.core.ticks import Gap
from tests.bus.two_publishers import Clock, Print, Scene

WORKER = st.integers(0, 1)
FATE = st.sampled_from(["answered", "answered", "unanswered", "lost", "late"])


def faults(scene: Scene) -> list[str]:
    """What is wrong with the log of a scene that ended."""
    log = scene.log()
    ticks = [entry for entry in log if isinstance(entry, Print)]
    found = [f"{b} after {a}" for a, b in pairwise(ticks) if b.serial <= a.serial]
    published = {tick.serial for tick in ticks}
    first_of = {tick.era: tick.serial for tick in reversed(ticks)}
    before: Print | None = None
    gaps: list[Gap] = []
    for entry in log:
        if isinstance(entry, Gap):
            gaps.append(entry)
            continue
        found += between(scene, before, entry, gaps)
        before, gaps = entry, []
    found += [f"a gap at the end: {gap}" for gap in gaps]
    missed = [tick for serial, tick in scene.offered.items() if serial not in published]
    if scene.strict:  # what was before a stream's first tick, or an era's, nobody could measure
        found += [
            f"{tick} was offered and not published"
            for tick in missed
            if tick.serial > first_of.get(tick.era, tick.serial) and tick.serial not in scene.too_late
        ]
    if missed and ticks and missed[-1].serial > ticks[-1].serial:
        found.append(f"{missed[-1]} is missing at the end")
    return found


def between(scene: Scene, a: Print | None, b: Print, gaps: list[Gap]) -> list[str]:
    """What is wrong with the gaps between two ticks that follow each other in the log."""
    if a is None:
        return [f"{gaps} before the first" for gap in gaps if gap.cause == "venue"]
    if b.id <= a.id:
        return [] if len(gaps) == 1 and gaps[0].ids is None else [f"{gaps} for a reset between {a} and {b}"]
    if scene.contiguous:
        hole = None if b.id == a.id + 1 else (a.id + 1, b.id - 1)
        named = [gap.ids for gap in gaps]
        return [] if named == ([hole] if hole else []) else [f"{named} for {hole} between {a} and {b}"]
    missing = b.serial > a.serial + 1
    if missing and not gaps:
        return [f"nothing said of what is missing between {a} and {b}"]
    return [f"{gaps} between {a} and {b}"] if gaps and scene.quiet else []


class Machine(RuleBasedStateMachine):
    """Faults in any order. `url`, `contiguous` and `clock` are set by the test."""

    url = ""
    contiguous = True
    clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(self.url, self.contiguous, self.clock)

    @rule(ticks=st.integers(1, 6))
    def emit(self, ticks: int) -> None:
        self.scene.emit(ticks, 0)

    @rule(skip=st.integers(1, 3))
    def skip(self, skip: int) -> None:
        self.scene.emit(1, skip)

    @rule(seconds=st.sampled_from([5.0, 31.0, 100.0]))
    def pause(self, seconds: float) -> None:
        self.scene.pause(seconds)

    @rule(seconds=st.sampled_from([31.0, 100.0]), on_time=WORKER)
    def reset(self, seconds: float, on_time: int) -> None:
        self.scene.reset(seconds, self.scene.workers[on_time])

    @rule(which=WORKER, ticks=st.integers(1, 8))
    def read(self, which: int, ticks: int) -> None:
        self.scene.read(self.scene.workers[which], ticks)

    @rule(which=WORKER, fate=FATE)
    def publish(self, which: int, fate: str) -> None:
        self.scene.publish(self.scene.workers[which], fate)

    @rule()
    @precondition(lambda self: self.scene.late)
    def arrives(self) -> None:
        self.scene.arrives()

    @rule(seconds=st.sampled_from([0.05, 0.2, 0.3, 2.0]))
    def passes(self, seconds: float) -> None:
        self.scene.passes(seconds)

    @rule(which=WORKER)
    def loses_venue(self, which: int) -> None:
        self.scene.loses_venue(self.scene.workers[which])

    @rule(which=WORKER)
    def dies(self, which: int) -> None:
        self.scene.dies(self.scene.workers[which])

    @rule(which=WORKER)
    def overflows(self, which: int) -> None:
        self.scene.overflows(self.scene.workers[which])

    @rule()
    def redis_restarts(self) -> None:
        self.scene.redis_restarts()

    @rule(which=WORKER)
    def loses_redis(self, which: int) -> None:
        self.scene.loses_redis(self.scene.workers[which])

    @rule(which=WORKER)
    def finds_redis(self, which: int) -> None:
        self.scene.finds_redis(self.scene.workers[which])

    def teardown(self) -> None:
        try:
            self.scene.ends()
            found = faults(self.scene)
            assert not found, (found, self.scene.log())
        finally:
            self.scene.close()


# the same stories each time, and, by hand, many others
@pytest.mark.parametrize(
    "stories", [40, pytest.param(2_500, marks=[pytest.mark.chaos, pytest.mark.timeout(900)])], ids=["few", "many"]
)
@pytest.mark.parametrize("contiguous", [True, False], ids=["contiguous", "not contiguous"])
def test_whatever_happens(redis_url: str, contiguous: bool, stories: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    for module in ("publisher", "outlet"):
        monkeypatch.setattr(f"feed.bus.{module}.time", clock)
    machine = type("Machine", (Machine,), {"url": redis_url, "contiguous": contiguous, "clock": clock})
    with capture_logs():
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=stories,
                derandomize=stories == 40,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
