"""How a process starts and ends: event loop, signals, open files, and what becomes of it when its parent dies."""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
MOST_OPEN_FILES: Final = 1_048_576  # Linux's own ceiling (fs.nr_open) where nobody changed it
# The collector's thresholds. The young are looked at often and few at a time (half a millisecond, and three for those
# that stay), all objects hardly ever: with the ticks that are kept for clients that come back that takes 0.4 s.
COLLECTIONS: Final = (1_000, 5, 10_000)
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Main = Callable[[asyncio.Event], Coroutine[Any, Any, int]]


def run(main: Main) -> int:
    """Runs `main(stop)` on uvloop, or on asyncio where that is missing, and returns its exit code.

    The first SIGINT or SIGTERM sets `stop`; a second one kills the process at once, as if nobody caught it (a shell
    sees 130 or 143). What `main` raises is raised here.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_supervise(main))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _supervise(main: Main) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_once() -> None:
        stop.set()
        # Not a second callback: a loop that is stuck would never run it, and that is when people press Ctrl-C again.
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop_once)
    try:
        return await main(stop)
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def dies_with_parent() -> Callable[[], None] | None:
    """The `preexec_fn` of a child that the kernel shall kill when its parent dies; None where it can't (not Linux).

    The kernel watches the THREAD that started the child: start children from one that lives as long as they may.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork: afterwards locks may be held
    parent = os.getpid()

    def ask_kernel() -> None:
        if prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(1)  # the parent died before the kernel was asked

    return ask_kernel


def raise_open_files() -> int:
    """Raises the limit of open files to what this process may have, and returns it: each connection is one."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls its hard limit infinite, and then refuses to go there.
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def collect_rarely() -> None:
    """For a process that is set up: the garbage collector leaves alone what there is by now, and looks at the rest
    less often.

    Ticks and what stands for them are freed by their reference counts; the collector, which walks over all that is
    kept for clients that come back, took 7 % of a busy gateway's time, and held it up for a third of a second
    now and then. Connections leave nothing for it to do: tests/gateway/test_server.py holds them to that.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def report_faults(debug: bool, who: str = "feed") -> None:
    """From here on an exception that nobody caught prints one line that begins with `who`, and its traceback only for
    `debug`."""

    def hook(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
        if debug:
            traceback.print_exception(kind, fault, trace)
        for leaf in leaves(fault):
            print(f"{who}: {describe(leaf)}", file=sys.stderr)

    sys.excepthook = hook


def describe(fault: BaseException) -> str:
    """One line: what happened and, in this project's own code, where."""
    text = " ".join(str(fault).split())
    line = f"{type(fault).__name__}: {text}" if text else type(fault).__name__
    ours = [frame for frame in traceback.extract_tb(fault.__traceback__) if f"{os.sep}feed{os.sep}" in frame.filename]
    if not ours:
        return line
    return f"{line} ({os.path.basename(ours[-1].filename)}:{ours[-1].lineno}; --log-level debug shows the traceback)"


def leaves(fault: BaseException) -> list[BaseException]:
    """What lies in a group of exceptions, groups within it included; of any other exception just that."""
    if isinstance(fault, BaseExceptionGroup):
        return [leaf for member in fault.exceptions for leaf in leaves(member)]
    return [fault]
