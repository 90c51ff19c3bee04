"""The bytes of a tick on the bus."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bus.entry import Batch, pack, pack_int, unpack, unpack_message
from feed.core.ticks import Bar, Gap, Quote, Trade

prices = st.floats(allow_nan=False)
times = st.integers(0, 2**63 - 1)
ids = st.none() | st.integers(0, 2**63 - 1)
texts = st.text(max_size=5)
conditions = st.lists(texts, max_size=3).map(tuple)

trades = st.builds(
    Trade, st.just("A/B"), ids, prices, prices, st.sampled_from(["B", "S", ""]), times, times, texts, conditions, texts
)
quotes = st.builds(
    Quote, st.just("A/B"), ids, prices, prices, prices, prices, times, times, texts, texts, conditions, texts
)
bars = st.builds(
    Bar, st.just("A/B"), times, st.sampled_from(["bars", "bars1s"]), prices, prices, prices, prices, prices,
    st.integers(0, 2**40), prices, times, times,
)  # fmt: skip


@given(trades | quotes | bars)
def test_every_tick_comes_back_as_it_was(tick: Trade | Quote | Bar) -> None:
    assert unpack("A/B", pack(tick)) == tick


@given(st.lists(trades, min_size=1, max_size=5), times)
def test_the_scripts_splicing_makes_a_message(ticks: list[Trade], ts_pub: int) -> None:
    data = b"\x94" + msgpack.packb("e1") + msgpack.packb(7) + pack_int(ts_pub)
    data += b"\xdc" + len(ticks).to_bytes(2, "big") + b"".join(map(pack, ticks))
    assert unpack_message("A/B", data, 9) == Batch("e1", 7, ts_pub, 9, list(ticks))


@pytest.mark.parametrize(
    ("after", "before", "ids"), [("3", "7", (4, 6)), ("3", "5", (4, 4)), ("", "", None), (str(2**63), "", None)]
)
def test_gaps_name_ids_where_both_ends_are_known(after: str, before: str, ids: tuple[int, int] | None) -> None:
    gap = unpack("A/B", msgpack.packb(("g", "venue", after, before, 5)))
    assert isinstance(gap, Gap)
    assert gap.cause == "venue"
    assert gap.ids == ids


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x90", msgpack.packb(5), msgpack.packb(("z", 1)), msgpack.packb(("t", 1)), msgpack.packb("t"),
     msgpack.packb(("g", "venue", "x", "1", 1)), pack(Trade("A/B", 1, 1.0, 1.0, "", 1, 1)) + b"\x00"],
)  # fmt: skip
def test_bytes_that_nobody_wrote_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="unreadable"):
        unpack("A/B", data)
    with pytest.raises(ValueError, match="unreadable"):
        unpack_message("A/B", data, 9)


def message(*entries: Any) -> bytes:
    return msgpack.packb(("e1", 7, 8, entries))  # type: ignore[no-any-return]


@given(st.lists(trades | quotes | bars, max_size=6))
def test_a_message_reads_its_entries_as_the_log_does(ticks: list[Trade | Quote | Bar]) -> None:
    data = msgpack.packb(("e1", 7, 8, [msgpack.unpackb(pack(tick)) for tick in ticks]))
    assert unpack_message("A/B", data, 9) == Batch("e1", 7, 8, 9, list(ticks))
    assert [type(entry) for entry in unpack_message("A/B", data, 9).entries] == [type(tick) for tick in ticks]


TRADE = ("t", 1, 1.5, 2.0, "B", 3, 4, "X", ("c",), "Z")
QUOTE = ("q", 1, 1.0, 2.0, 3.0, 4.0, 5, 6, "X", "Y", ("c",), "Z")


@pytest.mark.parametrize(
    "fields", [TRADE[:length] for length in range(7, 11)] + [QUOTE[:length] for length in range(8, 13)]
)
def test_fields_that_an_older_worker_did_not_know_have_their_defaults(fields: tuple[Any, ...]) -> None:
    made = Trade("A/B", *fields[1:]) if fields[0] == "t" else Quote("A/B", *fields[1:])
    assert unpack_message("A/B", message(fields), 9).entries == [made]
    assert len(unpack_message("A/B", message(fields), 9).entries[0]) == len(made)


@pytest.mark.parametrize("entry", [("t", 1, 1.5), ("t", *range(10)), ("q", 1), ("q", *range(12)), ("t",), "t23456789x"])
def test_entries_of_another_length_are_a_value_error(entry: Any) -> None:
    with pytest.raises(ValueError, match="unreadable"):
        unpack_message("A/B", message(entry), 9)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_entry_or_a_value_error(data: bytes) -> None:
    for read in (unpack, lambda symbol, data: unpack_message(symbol, data, 9)):
        try:
            read("A/B", data)
        except ValueError:
            continue
