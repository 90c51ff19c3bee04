"""Frames as an independent parser reads them."""

import pytest
from websockets.frames import Opcode

from feed.wire.frames import BINARY, PONG, TEXT, frame
from tests.wire.reading import frames_of


@pytest.mark.parametrize(("opcode", "meant"), [(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_of_any_length_is_read_back(opcode: int, meant: Opcode, size: int) -> None:
    payload = bytes(i % 251 for i in range(size))
    (found,) = frames_of(frame(opcode, payload))
    assert (found.opcode, found.data, found.fin) == (meant, payload, True)
    assert (found.rsv1, found.rsv2, found.rsv3) == (False, False, False)


@pytest.mark.parametrize(("size", "header"), [(125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_the_length_is_written_in_the_fewest_bytes(size: int, header: int) -> None:
    assert len(frame(TEXT, bytes(size))) == header + size


def test_pongs_are_control_frames() -> None:
    (found,) = frames_of(frame(PONG, b"x" * 125))
    assert (found.opcode, found.data) == (Opcode.PONG, b"x" * 125)


def test_frames_follow_each_other() -> None:
    data = frame(TEXT, b"a" * 126) + frame(BINARY, b"") + frame(TEXT, b"b")
    assert [found.data for found in frames_of(data)] == [b"a" * 126, b"", b"b"]
