"""How long a page keeps its main thread: tasks and frames, as Chromium's own trace tells them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

CATEGORIES = ("toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "__metadata")
_TASKS = ("RunTask", "ThreadControllerImpl::RunTask")
_FRAME = "FireAnimationFrame"

Event = Mapping[str, Any]
Thread = tuple[int, int]
Span = tuple[float, float]


class Smoothness(NamedTuple):
    """Milliseconds of the tasks of one main thread, ascending; `drawing` are those in which a frame was made."""

    tasks: tuple[float, ...]
    drawing: tuple[float, ...]
    seconds: float

    @property
    def busy(self) -> float:
        """The share of the time that the thread had something to do."""
        return sum(self.tasks) / (1000 * self.seconds)

    def longer_than(self, ms: float) -> int:
        return sum(task > ms for task in self.tasks)


def quantile(ascending: tuple[float, ...], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed. Raises ValueError where there is none."""
    if not ascending:
        raise ValueError("no values")
    return ascending[min(len(ascending) - 1, max(0, -int(-share * len(ascending) // 1) - 1))]


def smoothness(trace: bytes) -> Smoothness:
    """Of the renderer's main thread that did most. A trace has one for each page and frame of another site."""
    events = json.loads(trace)["traceEvents"]
    mains = set(_main_threads(events))
    tasks: dict[Thread, dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
    frames: dict[Thread, list[float]] = defaultdict(list)
    for event in events:
        thread = event["pid"], event["tid"]
        if thread not in mains or event["ph"] != "X":
            continue
        if event["name"] in _TASKS:
            tasks[thread][event["name"]].append((event["ts"], event.get("dur", 0)))
        elif event["name"] == _FRAME:
            frames[thread].append(event["ts"])
    if not tasks:
        raise ValueError("the trace has no task of a main thread")
    # both names may tell of one task: what is told most often is told of all
    told = {thread: sorted(_most(named)) for thread, named in tasks.items()}
    thread = max(told, key=lambda each: sum(dur for _, dur in told[each]))
    drawing = _holding(told[thread], frames[thread])
    starts = [start for start, _ in told[thread]]
    seconds = max(1e-6, (starts[-1] - starts[0]) / 1e6)
    return Smoothness(_ascending(dur for _, dur in told[thread]), _ascending(drawing), seconds)


def _main_threads(events: Iterable[Event]) -> Iterator[Thread]:
    for event in events:
        if event["name"] == "thread_name" and event["args"].get("name") == "CrRendererMain":
            yield event["pid"], event["tid"]


def _most(named: Mapping[str, list[Span]]) -> list[Span]:
    return max(named.values(), key=len)


def _holding(tasks: list[Span], moments: list[float]) -> Iterator[float]:
    """Durations of the tasks in which one of the moments lies."""
    waiting = iter(sorted(moments))
    moment = next(waiting, None)
    for start, duration in tasks:
        while moment is not None and moment < start:
            moment = next(waiting, None)
        if moment is not None and moment <= start + duration:
            yield duration


def _ascending(micros: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted(each / 1000 for each in micros))
