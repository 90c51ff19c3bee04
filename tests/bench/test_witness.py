"""The witness reads what Redis pushed, whole messages only."""

from hypothesis import given
from hypothesis import strategies as st

from feed.bench.witness import pushes


def bulk(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


CONFIRMED = b"*3\r\n$9\r\nsubscribe\r\n$3\r\n{a}\r\n:1\r\n"
PAYLOADS = st.lists(st.binary(max_size=40), max_size=6)


@given(PAYLOADS)
def test_each_message_and_no_confirmation(payloads: list[bytes]) -> None:
    data = CONFIRMED + b"".join(bulk(b"message", b"{a}", payload) for payload in payloads)
    assert list(pushes(data)) == [("{a}", payload) for payload in payloads]


@given(PAYLOADS, st.integers(0, 60))
def test_what_is_not_whole_is_left(payloads: list[bytes], cut: int) -> None:
    whole = [bulk(b"message", b"{a}", payload) for payload in payloads]
    data = b"".join(whole)[: max(0, sum(map(len, whole)) - cut)]
    found = list(pushes(data))
    assert found == [("{a}", payload) for payload in payloads][: len(found)]
    assert sum(map(len, whole[: len(found)])) <= len(data)
