"""Scratch directories: removed at the end, and after a kill by whoever comes next; never while in use."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from feed.cli.scratch import LOCK, PREFIX, scratch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is cleared away")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_behind(folder: Path) -> Path:
    """The directory of a process that was killed."""
    code = (
        "import os, signal; from feed.cli.scratch import scratch\n"
        "with scratch() as directory:\n"
        "  (directory / 'server.log').write_text('x'); print(directory, flush=True)\n"
        "  os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"TMPDIR": str(folder)}, stdout=subprocess.PIPE, text=True)
    directory = Path(done.stdout.strip())
    assert directory.parent == folder
    return directory


def test_is_there_and_then_gone(folder: Path) -> None:
    with scratch() as directory:
        (directory / "server.log").write_text("x")
        assert [path.name for path in sorted(directory.iterdir())] == [LOCK, "server.log"]
    assert list(folder.iterdir()) == []


def test_what_was_killed_is_cleared_away_by_the_next(folder: Path) -> None:
    dead = left_behind(folder)
    assert dead.is_dir()
    with scratch() as directory:
        assert list(folder.iterdir()) == [directory]


def test_what_is_in_use_is_left_alone(folder: Path) -> None:
    with scratch() as first, scratch() as second:
        assert set(folder.iterdir()) == {first, second}


def test_what_is_not_ours_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlocked, other, elsewhere = folder / f"{PREFIX}a", folder / "b", folder / "c"
    for directory in (unlocked, other, elsewhere):
        directory.mkdir()
    for directory in (other, elsewhere):
        (directory / LOCK).touch()
    (folder / f"{PREFIX}link").symlink_to(elsewhere)
    with scratch():
        assert (unlocked.is_dir(), (other / LOCK).exists(), (elsewhere / LOCK).exists()) == (True, True, True)
    dead = left_behind(folder)
    monkeypatch.setattr("os.getuid", lambda: -1)
    with scratch():
        assert dead.is_dir()
