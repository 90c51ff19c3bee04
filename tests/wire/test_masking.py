"""Frames without a mask are found, wherever reads are cut and whatever comes before them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.wire.frames import BINARY, PING, TEXT, header
from feed.wire.masking import Masking

KEY = b"\x01\x02\x03\x04"
SIZES = st.sampled_from([0, 1, 2, 5, 124, 125, 126, 127, 1_000, 65_535, 65_536])


def masked(opcode: int, size: int) -> bytes:
    """A frame whose payload looks like headers without a mask."""
    head = bytearray(header(opcode, size))
    head[1] |= 0x80
    return bytes(head) + KEY + bytes(size)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)] or [b""]


FRAMES = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), SIZES), max_size=6)
CUTS = st.lists(st.integers(0, 200_000), max_size=8)


@given(frames=FRAMES, cuts=CUTS)
def test_masked_frames_are_fine_however_they_are_read(frames: list[tuple[int, int]], cuts: list[int]) -> None:
    masking = Masking()
    data = b"".join(masked(*frame) for frame in frames)
    assert all(masking.kept(part) for part in cut(data, cuts))


@given(frames=FRAMES, cuts=CUTS, size=SIZES)
def test_one_without_a_mask_is_found(frames: list[tuple[int, int]], cuts: list[int], size: int) -> None:
    masking = Masking()
    data = b"".join(masked(*frame) for frame in frames)
    assert not all(masking.kept(part) for part in cut(data + header(TEXT, size), cuts))


@pytest.mark.parametrize("size", [0, 125, 126, 65_536])
def test_byte_by_byte(size: int) -> None:
    masking = Masking()
    assert all(masking.kept(bytes([byte])) for byte in masked(TEXT, size) * 2 + b"\x81")
    assert not masking.kept(b"\x05")


def test_a_length_that_lies_takes_no_memory() -> None:
    masking = Masking()
    assert masking.kept(b"\x82\xff" + b"\xff" * 8 + KEY)
    assert all(masking.kept(b"\0" * 65_536) for _ in range(10))
    assert masking._head == b""
