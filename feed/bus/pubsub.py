"""The words of pub/sub: of a Redis that has all channels, and of a cluster's shards, each of which has its own."""

from typing import Final, NamedTuple


class Words(NamedTuple):
    """Commands; what comes as a push: a message, a confirmation; and how many channels one command may name."""

    publish: str
    subscribe: str
    unsubscribe: str
    message: bytes
    confirmation: bytes
    at_once: int


# A message of a stream whose keys are at another master by now, though its slot is not: the log has what comes next.
ELSEWHERE: Final = b""

WHOLE: Final = Words("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", b"message", b"subscribe", 200)
# One command's channels must be of one slot, which those of two streams hardly ever are.
SHARDED: Final = Words("SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE", b"smessage", b"ssubscribe", 1)
