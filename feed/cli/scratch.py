"""A directory for the life of this process. If it is killed, the next one that asks for a directory clears it away."""

import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "feed-demo-"
LOCK: Final = "lock"


@contextmanager
def scratch() -> Iterator[Path]:
    """The directory, empty but for its lock; removed at the end."""
    clear()
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        # The lock ends with this process, however that ends. Named once it is held: nobody finds it free before.
        with open(directory / f"{LOCK}.new", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, directory / LOCK)
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def clear() -> None:
    """Removes the directories of processes that are gone."""
    if sys.platform != "linux":
        return  # what worked there may have outlived the process: nothing told it
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        if _is_ours(lock.parent) and _is_free(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _is_ours(directory: Path) -> bool:
    # Everybody may write into /tmp: a link, or a directory of somebody else, would be a trap.
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _is_free(lock: Path) -> bool:
    try:
        with open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):  # held, or cleared away meanwhile
        return False
    return True
