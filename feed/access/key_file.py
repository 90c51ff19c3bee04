"""Keys in a file: JSON that is replaced as a whole, for gateways that share a disk or a mounted secret."""

import asyncio
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson
import structlog

from feed.core.keys import Edit, Stored

# A key takes 300 bytes: this is room for a hundred thousand, and a bound for what was never a file of keys.
MAX_BYTES: Final = 64 * 1024 * 1024
LOCKED_FOR_S: Final = 5.0  # a change takes milliseconds; longer means that somebody stopped within one
LOCK_POLL_S: Final = 0.02
NEW_MODE: Final = 0o600
# Who may read the hashes learns who has keys, and who may write them lets himself in. A group may be meant to read: a
# gateway of another user than the file's.
TOO_OPEN: Final = stat.S_IRWXO | stat.S_IWGRP

log = structlog.get_logger(__name__)


class BrokenFile(ValueError):
    """The file is there, and is no file of keys."""


class KeyFile:
    """Reads and changes keys in a file; what blocks is done in a thread.

    The file holds `{"keys": {id: key}}`. It is written beside and renamed, so that nobody reads half of one, and its
    directory is locked meanwhile: the lock is good among processes of one machine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, version: str) -> Stored | None:
        """All keys; None where the file is the one of `version`. Raises OSError and BrokenFile."""
        return await asyncio.to_thread(self._read, version)

    async def change(self, edit: Edit) -> None:
        """Writes the key that `edit` makes of all there are; a file that is not there is made, with mode 0600.

        Raises what `edit` raises, OSError and BrokenFile.
        """
        await asyncio.to_thread(self._change, edit)

    async def close(self) -> None:
        """There is nothing open between two calls."""

    def _read(self, version: str) -> Stored | None:
        found = os.stat(self._path)
        if _version(found) == version:
            return None
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep its reader waiting
            raise BrokenFile(f"{self._path}: not a file")
        with open(self._path, "rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(MAX_BYTES + 1)
        if found.st_mode & TOO_OPEN:
            log.warning("key_file_open_to_others", path=str(self._path), mode=f"{stat.S_IMODE(found.st_mode):04o}")
        return Stored(_version(found), self._keys(data))

    def _keys(self, data: bytes) -> dict[str, bytes]:
        if len(data) > MAX_BYTES:
            raise BrokenFile(f"{self._path}: more than {MAX_BYTES} bytes")
        try:
            held = orjson.loads(data)
        except ValueError as error:
            raise BrokenFile(f"{self._path}: no JSON: {error}") from error
        keys = held.get("keys") if isinstance(held, dict) and len(held) == 1 else None
        if not isinstance(keys, dict):
            raise BrokenFile(f'{self._path}: not {{"keys": {{...}}}}')
        return {key_id: orjson.dumps(key) for key_id, key in keys.items()}

    def _change(self, edit: Edit) -> None:
        # what a link leads to is replaced, not the link
        path = Path(os.path.realpath(self._path))
        with _locked(path.parent):
            try:
                keys = self._keys(path.read_bytes())
                owner = path.stat()
            except FileNotFoundError:
                keys, owner = {}, None
            key_id, data = edit(keys)
            _replace(path, _text({**keys, key_id: data}), owner)


def _version(found: os.stat_result) -> str:
    return f"{found.st_dev}.{found.st_ino}.{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}"


def _text(keys: Mapping[str, bytes]) -> bytes:
    held = {"keys": {key_id: orjson.loads(data) for key_id, data in keys.items()}}
    return orjson.dumps(held, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


@contextmanager
def _locked(directory: Path, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Around a change, for one process at a time. Raises TimeoutError, an OSError, where another does not end its own.

    The directory is locked because the file is another one after each change.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = clock() + LOCKED_FOR_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock() >= deadline:
                    raise TimeoutError(f"{directory}: another change of keys has not ended") from None
                time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: bytes, before: os.stat_result | None) -> None:
    """Puts a file in the place of another as one step, which a power cut does not undo; with that one's owner."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)  # of an earlier process of this number, which died at it: the lock is ours
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, NEW_MODE)
    try:
        with open(handle, "wb") as file:
            if before is not None:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), NEW_MODE | (before.st_mode & stat.S_IRGRP))
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
