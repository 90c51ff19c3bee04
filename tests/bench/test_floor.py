"""The floor's frames are valid, carry their stamp, and are as long as the gateway's were."""

import json

from hypothesis import given
from hypothesis import strategies as st

from feed.bench.floor import stamped_frame
from feed.bench.frames import TRADE, count, split
from feed.bench.samples import Sample, stamped

STAMP = 1_795_338_308_257_011_000


@given(st.integers(70, 200_000))
def test_as_long_as_wanted(size: int) -> None:
    head, tail = stamped_frame(size, TRADE)
    whole = head + b"%019d" % STAMP + tail
    assert abs(len(whole) - size) <= 8  # the header grows with the length
    assert count(whole, (TRADE,)) == (1, 1, len(whole), 0)
    (only,) = split(whole)
    assert json.loads(only.payload)[0]["ts_pub"] == STAMP
    assert stamped([Sample(STAMP + 2_500_000, only)]) == [2.5]
