"""Keys in a file: replaced as a whole, seen when they change, and never made worse by a fault."""

import asyncio
import fcntl
import multiprocessing
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from feed.access import key_file
from feed.access.key_file import MAX_BYTES, BrokenFile, KeyFile
from feed.core.keys import Edit, Stored


def setting(key_id: str, data: bytes) -> Edit:
    return lambda _: (key_id, data)


def change(path: Path, key_id: str, data: bytes) -> None:
    asyncio.run(KeyFile(path).change(setting(key_id, data)))


def read(path: Path, version: str = "") -> Stored | None:
    return asyncio.run(KeyFile(path).read(version))


def keys_of(path: Path) -> Mapping[str, bytes]:
    stored = read(path)
    assert stored is not None
    return stored.keys


def test_a_file_is_made_for_its_owner_alone_and_read_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(FileNotFoundError):
        read(path)
    change(path, "fk_a", b'{"name":"a"}')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = read(path)
    assert first is not None
    assert first.keys == {"fk_a": b'{"name":"a"}'}
    assert read(path, first.version) is None
    change(path, "fk_b", b"{}")
    change(path, "fk_a", b'{"name":"c"}')
    second = read(path, first.version)
    assert second is not None
    assert second.keys == {"fk_a": b'{"name":"c"}', "fk_b": b"{}"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


def test_a_file_that_an_editor_wrote_in_place_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(b'{"keys": {"fk_a": {"x": 1}}}')
    first = read(path)
    assert first is not None
    path.write_bytes(b'{"keys": {"fk_a": {"x": 2}}}')
    os.utime(path, ns=(1, 1))
    second = read(path, first.version)
    assert second is not None
    assert second.keys == {"fk_a": b'{"x":2}'}


@pytest.mark.parametrize(
    ("mode", "after", "told"),
    [(0o600, 0o600, False), (0o640, 0o640, False), (0o644, 0o640, True), (0o660, 0o640, True), (0o602, 0o600, True)],
)
def test_a_file_that_others_can_read_or_write_is_told_of_and_closed(
    tmp_path: Path, mode: int, after: int, told: bool
) -> None:
    path = tmp_path / "keys.json"
    change(path, "fk_a", b"{}")
    path.chmod(mode)
    with capture_logs() as logs:
        keys_of(path)
    expected = [{"event": "key_file_open_to_others", "path": str(path), "mode": f"{mode:04o}", "log_level": "warning"}]
    assert logs == (expected if told else [])
    change(path, "fk_b", b"{}")
    assert stat.S_IMODE(path.stat().st_mode) == after


BROKEN = [
    b"",
    b"{",
    b"[]",
    b'{"keys": []}',
    b'{"keys": {}, "more": 1}',
    b"fk_a secret",
    b'{"keys": {"a": NaN}}',
    b"\xff",
]


@pytest.mark.parametrize("data", BROKEN)
def test_a_broken_file_is_one_error_and_never_written_over(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(data)
    with pytest.raises(BrokenFile, match=r"keys\.json: "):
        read(path)
    with pytest.raises(BrokenFile):
        change(path, "fk_a", b"{}")
    assert path.read_bytes() == data


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BrokenFile, match="not a file"):
        read(tmp_path / "pipe")
    with pytest.raises(BrokenFile, match="not a file"):
        read(tmp_path)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with open(path, "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(BrokenFile, match=f"more than {MAX_BYTES} bytes"):
        read(path)


def test_a_link_goes_on_leading_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = tmp_path / "keys.json"
    path.symlink_to(tmp_path / "real" / "keys.json")
    change(path, "fk_a", b"{}")
    change(path, "fk_b", b"{}")
    assert path.is_symlink()
    assert keys_of(tmp_path / "real" / "keys.json").keys() == {"fk_a", "fk_b"}


def test_an_edit_that_refuses_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def refuses(_: Mapping[str, bytes]) -> tuple[str, bytes]:
        raise ValueError("the name is taken")

    with pytest.raises(ValueError, match="the name is taken"):
        asyncio.run(KeyFile(path).change(refuses))
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    change(path, "fk_a", b"{}")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        change(path, "fk_b", b"{}")
    assert keys_of(path).keys() == {"fk_a"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


def count_up(path: str, times: int) -> None:
    """Adds one to a number, each time in a change of its own."""

    def more(keys: Mapping[str, bytes]) -> tuple[str, bytes]:
        return "fk_a", b"%d" % (orjson.loads(keys.get("fk_a", b"0")) + 1)

    async def main() -> None:
        for _ in range(times):
            await KeyFile(Path(path)).change(more)

    asyncio.run(main())


def test_of_changes_by_several_processes_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    spawn = multiprocessing.get_context("spawn")  # as the threads of a change would not survive a fork
    writers = [spawn.Process(target=count_up, args=(str(path), 25), daemon=True) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30.0)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert keys_of(path) == {"fk_a": b"75"}


def test_a_change_that_never_ends_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "LOCKED_FOR_S", 0.05)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(TimeoutError, match="another change of keys has not ended"):
            change(tmp_path / "keys.json", "fk_a", b"{}")
    finally:
        os.close(handle)
    change(tmp_path / "keys.json", "fk_a", b"{}")
