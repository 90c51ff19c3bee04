"""Breaks the running service at random moments, and has every client's journal checked against the truth.

    python -m tests.chaos.run --minutes 30 --seed 1 [--cluster valkey] [--faults "client cut"] [--keep DIR]

Runs round after round, each a service of its own with another persistence of Redis, every fourth with a recording in
place of the simulator where there is one; or each on a cluster of three masters with replicas. Half an hour holds 20 of
each fault and more. The journals of a round in which something was wrong are kept, and
`python -m tests.chaos.checker DIR` judges them again.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from feed.bus.embedded import servers
from tests.chaos.audience import audience_of
from tests.chaos.checker import check_directory
from tests.chaos.cluster_faults import FAULTS as CLUSTER_FAULTS
from tests.chaos.cluster_stage import ClusterStage
from tests.chaos.faults import FAULTS
from tests.chaos.report import Report
from tests.chaos.stage import REPLAY_SPEED, Stage
from tests.chaos.tally import Finding
from tests.data import DATA
from tests.integration.real_ticks import cut

RECORDINGS = ("binance_spot/btcusdt_20240808.gz", "binance_spot/ethusdt_20240808.gz")
MODES = ("always", "default", "none")
PAUSES_S = (0.3, 3.0)  # between one fault's end and the next
WARM_S = 2.0
FAULTS_PER_ROUND = 44
# What a round may take beyond its faults, at most; beyond it everything is ended.
BEYOND_S = 240.0
FAULT_S = 20.0
RECORDED_FAULT_S = 7.5  # what a fault and the pause after it take, or a little more

Say = Callable[[str], None]


class Round:
    """One service, broken by a list of faults."""

    def __init__(
        self,
        directory: Path,
        mode: str,
        seed: int,
        faults: Sequence[str],
        recording: Sequence[Path] = (),
        pauses_s: tuple[float, float] = PAUSES_S,
    ) -> None:
        """`mode` is one of MODES, or a server of which there shall be a cluster. `pauses_s` is how long to wait after
        each fault, at least and at most."""
        self.directory = directory
        self.faults = list(faults)
        self.problems: list[str] = []
        self.findings: list[Finding] = []
        self.told: dict[str, dict[str, int]] = {}
        self._mode, self._seed, self._recording = mode, seed, recording
        self._faults: Mapping[str, Callable[[Any, random.Random], str]] = FAULTS if mode in MODES else CLUSTER_FAULTS
        self._chance = random.Random(seed)
        self._pauses_s = pauses_s

    def run(self, report: Report, say: Say) -> None:
        """Raises TimeoutError where it does not come to an end."""
        made = Stage if self._mode in MODES else ClusterStage
        with made(self.directory, self._mode, self._seed, recording=self._recording) as stage:
            if not stage.recorded:
                stage.open_market()
            stage.admit(audience_of(stage.symbols, quotes=not stage.recorded))
            if stage.recorded:
                stage.open_market()
            time.sleep(WARM_S)
            stage.keep_snapshot()
            self._break(stage, say)
            self.problems += [f"{name} did not end in good order" for name in stage.close_market()]
        tally, _, told = check_directory(self.directory)
        report.add(self.faults, tally)
        self.findings = tally.findings
        self.told = {client: dict(counts) for client, counts in told.items()}
        first = sorted(tally.findings, key=lambda finding: finding.at_ns)
        self.problems += [" ".join(map(str, finding)) for finding in first]

    def _break(self, stage: Stage, say: Say) -> None:
        with open(self.directory / "faults", "w") as log:
            for name in self.faults:
                time.sleep(self._chance.uniform(*self._pauses_s))
                began_ns = time.time_ns()
                note = self._faults[name](stage, self._chance)
                log.write(json.dumps([began_ns, name, time.time_ns(), note]) + "\n")
                log.flush()
                say(f"{name}: {note}")
            time.sleep(self._pauses_s[1])


def dealt(names: Sequence[str], count: int, chance: random.Random) -> list[str]:
    """Faults in random order, each as often as the others."""
    deck: list[str] = []
    while len(deck) < count:
        deck += chance.sample(names, len(names))
    return deck[:count]


def recordings(seconds: float, directory: Path) -> list[Path]:
    """The recordings' first part, so long that it plays for `seconds`; none where there are no recordings."""
    found = [DATA / name for name in RECORDINGS]
    if not all(path.exists() for path in found):
        return []
    directory.mkdir(parents=True, exist_ok=True)
    return [cut(path, seconds * REPLAY_SPEED, directory) for path in found]


def deadline(seconds: float) -> None:
    """Ends this process's work in so many seconds, and so its children's: nothing here may hang for ever."""

    def ring(*_: Any) -> None:
        raise TimeoutError(f"not done after {seconds:g} s")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", choices=servers(), help="on three masters of this server, each with a replica")
    parser.add_argument("--faults", help="of those in tests/chaos/faults.py, or for a cluster in cluster_faults.py")
    parser.add_argument("--keep", type=Path, help="keep all rounds here, whatever they bring")
    asked = parser.parse_args()
    names = asked.faults.split(",") if asked.faults else list(CLUSTER_FAULTS if asked.cluster else FAULTS)
    modes = (asked.cluster,) if asked.cluster else MODES
    chance = random.Random(asked.seed)
    root = asked.keep or Path(tempfile.mkdtemp(prefix="feed-chaos-"))
    report, end, number, bad = Report(), time.monotonic() + asked.minutes * 60, 0, 0
    while time.monotonic() < end:
        keep = asked.keep is not None
        bad += not one_round(root / f"{number:03}", number, names, chance, report, modes=modes, keep=keep)
        number += 1
        print(report.table(), flush=True)
    print(f"{number} rounds, {bad} of them bad{f', kept in {root}' if bad or asked.keep else ''}")
    return 1 if bad else 0


def one_round(
    directory: Path,
    number: int,
    names: Sequence[str],
    chance: random.Random,
    report: Report,
    *,
    modes: Sequence[str],
    keep: bool,
) -> bool:
    """Whether all was well. What was not is printed, and its journals stay."""
    mode = modes[number % len(modes)]
    recorded = mode in MODES and number % 4 == 1 and (DATA / RECORDINGS[0]).exists()
    usable = [name for name in names if not (recorded and name == "venue hole")]
    count = len(usable) * 2 if recorded else FAULTS_PER_ROUND
    files = recordings(count * RECORDED_FAULT_S, directory) if recorded else []
    this = Round(directory, mode, chance.randrange(1 << 30), dealt(usable, count, chance), files)
    deadline(BEYOND_S + FAULT_S * count)
    print(f"round {number}: {mode}{', recorded' if recorded else ''}", flush=True)
    this.run(report, lambda text: print(f"  {text}", flush=True))
    for client, told in this.told.items():
        print(f"  {client}: {told}")
    for problem in this.problems[:10]:
        print(f"  {problem:.400}", file=sys.stderr)
    if not this.problems and not keep:
        shutil.rmtree(directory)
    return not this.problems


if __name__ == "__main__":
    sys.exit(main())
