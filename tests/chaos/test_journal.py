"""A journal outlives its client, and what half a line of it was."""

from decimal import Decimal
from pathlib import Path

from tests.chaos import journal


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "client.journal"
    writer = journal.Journal(path)
    writer.write("open", "ws://gateway")
    writer.raw("frame", '[{"T":"t","p":0.1}]')
    writer.close()
    lines = list(journal.read(path))
    assert [(line.what, line.content) for line in lines] == [
        ("open", ["ws://gateway"]),
        ("frame", [{"T": "t", "p": Decimal("0.1")}]),
    ]
    assert lines[0].at_ns <= lines[1].at_ns


def test_half_a_line_is_left_out_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "client.journal"
    first = journal.Journal(path)
    first.write("open", "one")
    first.close()
    with open(path, "a") as torn:
        torn.write('[17,"frame",[{"T":')
    assert [line.content for line in journal.read(path)] == [["one"]]
    second = journal.Journal(path)
    second.write("open", "two")
    second.close()
    assert [line.content for line in journal.read(path)] == [["one"], ["two"]]


def test_reading_from_the_last_line_of_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "client.journal"
    assert list(journal.read_from_last(path, "places")) == []
    writer = journal.Journal(path)
    for what, number in (("open", 1), ("places", 2), ("open", 3), ("places", 4), ("open", 5)):
        writer.write(what, number)
    writer.close()
    assert [line.content for line in journal.read_from_last(path, "places")] == [[4], [5]]
    assert [line.content for line in journal.read_from_last(path, "lost")] == [[1], [2], [3], [4], [5]]
