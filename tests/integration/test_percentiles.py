"""A gateway's histogram of publish to socket beside what clients in a process of their own measured: the same
quantiles, within a bucket."""

import json
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from feed.bus.embedded import EmbeddedServer
from feed.lifecycle import dies_with_parent
from feed.metrics import DELAY_BUCKETS
from tests.integration.scrapes import Scraped
from tests.integration.service import Service, running

PATIENCE_S = 40.0
TRIES = 3
HOP = {"feed": "sim", "hop": "publish_to_socket"}
BEGIN_PER_S = 1_000
OUT = "feed_gateway_messages_out_total"
BOUNDS = [*map(str, DELAY_BUCKETS), "+Inf"]
Buckets = list[float]
Delays = list[float | None]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="children die with their parent only on Linux"),
]


class Stopwatch:
    """The clients' process."""

    def __init__(self, how: str, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.stopwatch", how, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_parent(),
        )  # fmt: skip
        assert self._line() == "ready"

    def count(self) -> int:
        self._say("?")
        return int(self._line())

    def delays_s(self) -> Delays:
        self._say(".")
        found: Delays = json.loads(self._line())
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the clients ended"
        return line


@contextmanager
def gateway(window_s: float) -> Iterator[tuple[Service, str]]:
    """One that flushes that often, and its Redis."""
    knobs = {f"FEED_FLUSH__WINDOW_{end}_S": str(window_s) for end in ("MIN", "MAX")} if window_s else {}
    arguments = ("gateway", "--port", "0", "--admin-port", "0", "--feeds", "sim", "--log-level", "warning")
    with (
        EmbeddedServer() as redis,
        running("listening", *arguments, "--redis", redis.url, environment=knobs) as service,
    ):
        yield service, redis.url


@contextmanager
def ticks(redis_url: str, symbols: int, ticks_per_s: float) -> Iterator[Scraped]:
    knobs = {"FEED_SIM__BURST_EVERY_S": "0"}
    arguments = ("--admin-port", "0", "--symbols-count", str(symbols), "--rate", str(ticks_per_s))
    with running("publishing", "ingest", "sim", *arguments, "--redis", redis_url, environment=knobs) as service:
        yield Scraped(service)


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def both(how: str, window_s: float, symbols: int, ticks_per_s: float, messages: int) -> tuple[Buckets, Delays]:
    """What the gateway counted by bucket, and what the clients measured, of the same deliveries."""
    with gateway(window_s) as (service, redis_url):
        scraped = Scraped(service)
        # or clients would be told of epochs first, which have no stamps
        with ticks(redis_url, symbols, BEGIN_PER_S) as worker:
            until(lambda: worker.sum("feed_publish_ticks_total") > BEGIN_PER_S, "all streams have begun")
        clients = Stopwatch(how, int(service.url("http").rpartition(":")[2]))
        try:
            before = buckets(scraped)
            with ticks(redis_url, symbols, ticks_per_s):
                until(lambda: clients.count() >= messages, "the clients get their messages")
            until(lambda: scraped.value(OUT, feed="sim") == clients.count(), "all that was written was received")
            after = buckets(scraped)
            return [count - was for count, was in zip(after, before, strict=True)], clients.delays_s()
        finally:
            clients.close()


def measured(how: str, window_s: float, symbols: int, ticks_per_s: float, messages: int) -> tuple[Buckets, Delays]:
    """The same, anew where the clients had no core in time and so don't know when messages came."""
    for _ in range(TRIES):
        counted, delays_s = both(how, window_s, symbols, ticks_per_s, messages)
        if sum(delay is not None for delay in delays_s) > 0.7 * len(delays_s):
            return counted, delays_s
    raise AssertionError("the clients read too late to know")


def buckets(scraped: Scraped) -> Buckets:
    """Cumulative counts."""
    found = scraped.all()
    return [found.get(("feed_hop_delay_seconds_bucket", frozenset({**HOP, "le": le}.items())), 0.0) for le in BOUNDS]


def compare(counted: Buckets, delays_s: Delays, *shares: float) -> None:
    """That the quantiles lie in the same bucket, or in two that are neighbours."""
    # each counts, but for the gap that is told where a worker begins anew
    assert counted[-1] == pytest.approx(len(delays_s), rel=0.05)
    known = sorted(delay for delay in delays_s if delay is not None)
    theirs = {share: known[int(share * len(known))] for share in shares}
    ours = {share: next(n for n, count in enumerate(counted) if count >= share * counted[-1]) for share in shares}
    apart = {share: ours[share] - bisect_left(DELAY_BUCKETS, theirs[share]) for share in shares}
    told = {le: count for le, count in zip(BOUNDS, counted, strict=True) if count}
    assert all(-1 <= by <= 1 for by in apart.values()), f"buckets apart {apart}; clients {theirs}; gateway {told}"


@pytest.mark.chaos
def test_clients_of_several_streams_and_both_encodings_see_the_same_quantiles() -> None:
    """A tick waits up to 60 ms for its flush: one that stands for all others must be any of them."""
    counted, delays_s = measured("several", window_s=0.06, symbols=2, ticks_per_s=300, messages=3_000)
    compare(counted, delays_s, 0.1, 0.5, 0.9, 0.99)


@pytest.mark.chaos
def test_a_crowd_sees_the_same_quantiles() -> None:
    """The last of hundreds waits until all others have been written to."""
    counted, delays_s = measured("crowd", window_s=0.0, symbols=1, ticks_per_s=10, messages=12_000)
    compare(counted, delays_s, 0.5, 0.9)
