"""What workers tell crosses the socket unchanged, in pieces, and up to where a dead one stopped."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.cli.reports import Listening, Message, Refusal, Report, pack, read, unpack
from feed.exposition import Family, Sample, Shown

numbers = st.floats(allow_nan=False) | st.integers(0, 2**60)
words = st.text(max_size=4)
labels = st.lists(st.tuples(words, words), max_size=2).map(tuple)
shown = st.none() | st.builds(Shown, labels, numbers, numbers)
samples = st.lists(st.builds(Sample, words, labels, numbers, shown), max_size=3).map(tuple)
families = st.lists(st.builds(Family, words, words, words, samples), max_size=3).map(tuple)
messages = st.one_of(
    st.just(Listening()),
    st.builds(Refusal, st.integers(0, 255), st.lists(st.text()).map(tuple)),
    st.builds(Report, words, families),
)


@given(messages)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    out = unpack(pack(message)[4:])
    assert (type(out), out) == (type(message), message)
    if isinstance(out, Report):
        assert all(isinstance(sample, Sample) for family in out.families for sample in family.samples)


def heard(*chunks: bytes) -> list[Message]:
    async def main() -> list[Message]:
        reader = asyncio.StreamReader()
        for chunk in chunks:
            reader.feed_data(chunk)
        reader.feed_eof()
        found = []
        while (message := await read(reader)) is not None:
            found.append(message)
        return found

    return asyncio.run(main())


def test_messages_are_read_one_after_the_other_however_they_are_cut() -> None:
    told: list[Message] = [Listening(), Report("draining", ()), Refusal(2, ("no",))]
    data = b"".join(map(pack, told))
    assert heard(data) == told
    assert heard(*(data[at : at + 1] for at in range(len(data)))) == told


@pytest.mark.parametrize("left", [1, 3, 4, 5, 20])
def test_a_message_that_was_cut_short_is_none(left: int) -> None:
    assert heard(pack(Listening()), pack(Report("x" * 100, ()))[:left]) == [Listening()]
