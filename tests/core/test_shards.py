"""Symbols are dealt to workers: each to one share, all shares of one size, each read by as many as there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.shards import share

SYMBOLS = st.sets(st.text("ABCXYZ/", min_size=1, max_size=6), min_size=8, max_size=40)


@given(SYMBOLS, st.integers(1, 8))
def test_each_symbol_is_of_one_share_and_all_are_of_one_size(symbols: set[str], shards: int) -> None:
    shares = [share(symbols, shards, ordinal) for ordinal in range(shards)]
    assert sorted(symbol for each in shares for symbol in each.symbols) == sorted(symbols)
    sizes = {len(each.symbols) for each in shares}
    assert max(sizes) - min(sizes) <= 1


@given(SYMBOLS, st.integers(1, 8), st.integers(0, 100))
def test_ordinals_beyond_the_shards_begin_anew(symbols: set[str], shards: int, ordinal: int) -> None:
    assert share(symbols, shards, ordinal) == share(symbols, shards, ordinal + shards)
    assert share(symbols, shards, ordinal).number == ordinal % shards


def test_more_shards_than_symbols_would_leave_somebody_nothing_to_read() -> None:
    with pytest.raises(ValueError, match="2 symbols are too few for 3 shards"):
        share(["A", "B", "A"], 3, 0)
