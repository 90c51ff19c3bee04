"""CPU time and memory of processes."""

import os
import subprocess
import sys

import pytest

from feed.bench.cpu import _from_proc, cpu_ns, family
from feed.bench.memory import memory_of


def test_work_is_counted() -> None:
    before = cpu_ns(os.getpid())
    while cpu_ns(os.getpid()) - before < 1_000_000:
        sum(range(1_000))


def test_both_sources_agree() -> None:
    assert abs(_from_proc(os.getpid()) - cpu_ns(os.getpid())) < 1_000_000_000


def test_there_is_no_such_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(ProcessLookupError):
        cpu_ns(child.pid)


def test_children_belong_to_the_family() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert {os.getpid(), child.pid} <= set(family(os.getpid()))


def test_memory_is_that_of_a_python() -> None:
    found = memory_of(os.getpid())
    assert found.rss > 5_000_000
    assert found.uss is None or 0 < found.uss <= found.rss
