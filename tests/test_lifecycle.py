"""A process' start and end, seen from outside: signals, exit codes, what it prints about its faults."""

import asyncio
import gc
import signal
import subprocess
import sys

import pytest

from feed.lifecycle import COLLECTIONS, collect_rarely, describe, raise_open_files, run

WAITS = """
import asyncio, sys
from feed.lifecycle import run
async def main(stop):
    print(type(asyncio.get_running_loop()).__module__, flush=True)
    await stop.wait()
    print("stopping", flush=True)
    {then}
    return 7
sys.exit(run(main))
"""


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order(number: signal.Signals) -> None:
    with start(WAITS.format(then="pass")) as child:
        assert line(child).startswith("uvloop")
        child.send_signal(number)
        out, err = child.communicate(timeout=10)
        assert (out, err, child.returncode) == ("stopping\n", "", 7)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("then", ["await asyncio.sleep(60)", "import time; time.sleep(60)"], ids=["awaits", "blocks"])
def test_a_second_signal_ends_it_at_once(second: signal.Signals, then: str) -> None:
    with start(WAITS.format(then=then)) as child:
        line(child)
        child.send_signal(signal.SIGINT)
        assert line(child) == "stopping"
        child.send_signal(second)
        out, err = child.communicate(timeout=10)
        assert (out, err, child.returncode) == ("", "", -second)


def test_without_uvloop_it_runs_on_asyncio() -> None:
    with start("import sys; sys.modules['uvloop'] = None\n" + WAITS.format(then="pass")) as child:
        assert line(child).startswith("asyncio")
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=10)
        assert child.returncode == 7


def test_what_main_raises_is_raised() -> None:
    async def main(stop: asyncio.Event) -> int:
        raise RuntimeError(f"stop is {stop.is_set()}")

    with pytest.raises(RuntimeError, match="stop is False"):
        run(main)


FAILS = "from feed.lifecycle import report_faults, run\nreport_faults({debug})\n{fails}"


@pytest.mark.parametrize(
    ("fails", "lines"),
    [
        ("raise OSError('no\\nway')", ["feed: OSError: no way"]),
        ("raise KeyError", ["feed: KeyError"]),
        (
            "raise ExceptionGroup('many', [ValueError('a'), ExceptionGroup('more', [TypeError('b')])])",
            ["feed: ValueError: a", "feed: TypeError: b"],
        ),
    ],
)
def test_a_fault_is_one_line(fails: str, lines: list[str]) -> None:
    with start(FAILS.format(debug=False, fails=fails)) as child:
        _, err = child.communicate(timeout=10)
        assert err.splitlines() == lines
        assert child.returncode == 1


def test_a_fault_says_whose_it_is() -> None:
    with start(
        "from feed.lifecycle import report_faults\nreport_faults(False, 'feed: worker 2')\nraise KeyError(3)"
    ) as child:
        _, err = child.communicate(timeout=10)
        assert err == "feed: worker 2: KeyError: 3\n"


def test_at_debug_a_fault_has_its_traceback() -> None:
    with start(FAILS.format(debug=True, fails="raise KeyError(3)")) as child:
        _, err = child.communicate(timeout=10)
        assert err.startswith("Traceback")
        assert err.endswith("feed: KeyError: 3\n")


def test_a_fault_in_our_code_says_where() -> None:
    with pytest.raises(TypeError) as raised:
        run(None)  # type: ignore[arg-type]
    assert "(lifecycle.py:" in describe(raised.value)


def test_open_files_are_raised_to_what_is_allowed() -> None:
    code = (
        "import resource as r; from feed.lifecycle import raise_open_files\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, 128)); print(raise_open_files(), *r.getrlimit(r.RLIMIT_NOFILE))"
    )
    with start(code) as child:
        assert line(child) == "128 128 128"
    assert raise_open_files() > 0


def test_what_a_process_was_set_up_with_is_left_alone_by_the_collector() -> None:
    frozen, thresholds = gc.get_freeze_count(), gc.get_threshold()
    try:
        collect_rarely()
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold() == COLLECTIONS
        circle: list[object] = []
        circle.append(circle)
        del circle
        assert gc.collect() > 0  # what came later is still looked at
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
