"""What a trace tells of a page's main thread."""

import json
from typing import Any

import pytest

from tests.browser.tasks import quantile, smoothness


def named(pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": pid, "tid": tid, "ts": 0, "name": "thread_name", "args": {"name": name}}


def span(pid: int, tid: int, name: str, start: float, duration: float) -> dict[str, Any]:
    return {"ph": "X", "pid": pid, "tid": tid, "name": name, "ts": start, "dur": duration}


def trace(*events: dict[str, Any]) -> bytes:
    threads = (named(1, 1, "CrRendererMain"), named(1, 2, "Compositor"), named(2, 1, "CrRendererMain"))
    return json.dumps({"traceEvents": [*threads, *events]}).encode()


def test_tasks_are_those_of_the_busiest_main_thread() -> None:
    found = smoothness(
        trace(
            span(1, 1, "RunTask", 0, 4_000),
            span(1, 1, "ThreadControllerImpl::RunTask", 1, 3_900),  # the same task by its other name
            span(1, 1, "RunTask", 1_000_000, 20_000),
            span(1, 1, "FireAnimationFrame", 1_000_500, 2_000),
            span(1, 1, "FireAnimationFrame", 500_000, 1),  # in no task
            span(1, 1, "RunTask", 2_000_000, 1_000),
            span(1, 1, "Layout", 0, 90_000),
            span(1, 2, "RunTask", 0, 900_000),
            span(2, 1, "RunTask", 0, 5_000),
        )
    )
    assert found.tasks == (1.0, 4.0, 20.0)
    assert found.drawing == (20.0,)
    assert found.seconds == 2.0
    assert found.busy == pytest.approx(0.0125)
    assert (found.longer_than(4.0), found.longer_than(3.9)) == (1, 2)


def test_a_trace_without_a_main_thread_says_so() -> None:
    with pytest.raises(ValueError, match="no task of a main thread"):
        smoothness(trace(span(1, 2, "RunTask", 0, 1)))


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.95, 4), (1.0, 4)])
def test_a_quantile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert quantile((1, 2, 3, 4), share) == value
    with pytest.raises(ValueError, match="no values"):
        quantile((), share)
