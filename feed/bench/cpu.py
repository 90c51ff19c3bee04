"""CPU time of any process of this machine, and on which cores it may run."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NS_PER_S: Final = 1_000_000_000
CPUCLOCK_SCHED: Final = 2  # linux/posix-timers.h: a clock's number holds the process' complement and what it counts


def cpu_ns(pid: int) -> int:
    """User and system time of a process, all its threads. Raises ProcessLookupError where there is none."""
    try:
        return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)
    except (OSError, OverflowError):
        return _from_proc(pid)


def _from_proc(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"there is no process {pid}") from None
    user, system = stat.rpartition(")")[2].split()[11:13]  # the name before it may hold spaces
    return (int(user) + int(system)) * NS_PER_S // os.sysconf("SC_CLK_TCK")


def cpu_of(groups: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """CPU time of groups of processes, by their names."""
    return {name: sum(map(cpu_ns, group)) for name, group in groups.items()}


def busy_ns() -> int:
    """CPU time of this machine's cores together, whoever had it, in grains of a clock tick; 0 where nobody says."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return 0
    user, nice, system, _idle, _waiting, *interrupts = map(int, line.split()[1:])
    return (user + nice + system + sum(interrupts[:2])) * NS_PER_S // os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and its children, theirs included."""
    found = [pid]
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in listing.read_text().split():
            found += family(int(word))
    return found


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the system under test has, and which all else has; None where nothing can be pinned."""

    under_test: frozenset[int] | None
    others: frozenset[int] | None

    @property
    def words(self) -> str:
        if self.under_test is None or self.others is None:
            return "nothing is pinned: one core, or no way to pin"
        return f"the system under test has core {_listed(self.under_test)}, all else {_listed(self.others)}"


def divide() -> Cores:
    """The last core for the system under test, the rest for all else, where there are two and they can be chosen."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores(None, None)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return Cores(None, None)
    return Cores(frozenset(cores[-1:]), frozenset(cores[:-1]))


def pin(cores: frozenset[int] | None) -> None:
    """Keeps this process to these cores."""
    if cores is not None:
        os.sched_setaffinity(0, cores)


def _listed(cores: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
