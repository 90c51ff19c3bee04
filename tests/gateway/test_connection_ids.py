"""Ids of connections: short, read aloud without doubt, and never the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.gateway.connection_ids import DIGITS, ConnectionIds, base32


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (1, "1"), (31, "z"), (32, "10"), (44, "1c"), (15_000, "emr")])
def test_numbers_in_base32(number: int, text: str) -> None:
    assert base32(number) == text


@given(st.integers(0, 1 << 40))
def test_a_number_can_be_read_back(number: int) -> None:
    read = 0
    for digit in base32(number):
        read = read * len(DIGITS) + DIGITS.index(digit)
    assert read == number


def test_each_is_another_and_says_which_worker() -> None:
    ids = ConnectionIds(2, "k3f9a")
    assert [ids.next() for _ in range(44)][-1] == "k3f9a-2-1c"
    assert ids.life == "k3f9a-2"
    mine, others = ConnectionIds(0), ConnectionIds(0)
    assert len({made.next() for made in (mine, others) for _ in range(1_000)}) == 2_000
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{5}-0-[0-9a-z]+", mine.next())
