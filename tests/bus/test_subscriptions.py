"""What is sent so that a connection has what is wanted of it, while slots leave and wishes change."""

import asyncio
from collections.abc import Callable

import pytest

from feed.bus.pubsub import SHARDED, WHOLE, Words
from feed.bus.subscriptions import Subscriptions
from feed.bus.topology import slot_of

A, B, C = b"{a}", b"{b}", b"{c}"


class Pushes:
    """A connection that keeps what it is sent, and lets something happen then."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.happens: Callable[[], None] = lambda: None

    async def send(self, command: str, *channels: bytes) -> None:
        self.sent.append((command, *(channel.decode() for channel in channels)))
        self.happens()


def bring(
    subscriptions: Subscriptions, *wanted: bytes, happens: Callable[[], None] = lambda: None
) -> list[tuple[str, ...]]:
    pushes = Pushes()
    pushes.happens = happens
    asyncio.run(subscriptions.bring(pushes, set(wanted)))  # type: ignore[arg-type]
    return pushes.sent


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (WHOLE, [("SUBSCRIBE", "{a}", "{b}")]),
        (SHARDED, [("SSUBSCRIBE", "{a}"), ("SSUBSCRIBE", "{b}")]),
    ],
)
def test_what_is_new_is_subscribed_and_what_is_gone_is_not_any_more(words: Words, sent: list[tuple[str, ...]]) -> None:
    subscriptions = Subscriptions(words)
    assert bring(subscriptions, A, B) == sent
    assert bring(subscriptions, A, B) == []
    assert bring(subscriptions, B) == [(words.unsubscribe, "{a}")]


def test_a_channel_wanted_anew_while_others_are_subscribed_is_subscribed_anew() -> None:
    """As a connection is busy just when a client goes and another comes."""
    subscriptions = Subscriptions(WHOLE)
    bring(subscriptions, A)
    assert bring(subscriptions, A, B, happens=lambda: subscriptions.again(A)) == [("SUBSCRIBE", "{b}")]
    assert bring(subscriptions, A, B) == [("SUBSCRIBE", "{a}")]


def test_a_channel_that_left_is_not_asked_for_until_it_was_looked_where_it_went() -> None:
    subscriptions = Subscriptions(SHARDED)
    bring(subscriptions, A, B)
    assert subscriptions.of_slot(slot_of("{a}")) == [A]
    assert subscriptions.left(A)
    assert not subscriptions.left(A)
    assert bring(subscriptions, A, B) == []
    assert subscriptions.retry()
    assert not subscriptions.retry()
    assert bring(subscriptions, A, B) == [("SSUBSCRIBE", "{a}")]


def test_a_channel_that_left_and_is_placed_here_again_is_asked_for() -> None:
    subscriptions = Subscriptions(SHARDED)
    bring(subscriptions, A)
    subscriptions.left(A)
    subscriptions.again(A)
    assert bring(subscriptions, A) == [("SSUBSCRIBE", "{a}")]


def test_a_channel_that_left_and_is_not_wanted_is_forgotten() -> None:
    subscriptions = Subscriptions(SHARDED)
    bring(subscriptions, A, B)
    subscriptions.left(A)
    assert bring(subscriptions, B) == []
    assert bring(subscriptions, A, B) == [("SSUBSCRIBE", "{a}")]


def test_a_new_connection_has_nothing() -> None:
    subscriptions = Subscriptions(WHOLE)
    bring(subscriptions, A, B, C)
    subscriptions.left(A)
    subscriptions.anew()
    assert bring(subscriptions, A, B, C) == [("SUBSCRIBE", "{a}", "{b}", "{c}")]
