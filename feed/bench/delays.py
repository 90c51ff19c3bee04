"""Delays: percentiles, a histogram's quantile, and the join of what clients received with when it was published."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

NS_PER_MS: Final = 1_000_000
SHARES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


class Seen(NamedTuple):
    """A message of a sampled frame: its stream's key, its number, and when the client had it (ns since the epoch)."""

    stream: str
    seq: int
    ts_ns: int


class Published(NamedTuple):
    """A message on a stream's channel, as the witness heard it: so many `entries` from `first` on."""

    stream: str
    first: int
    entries: int
    ts_pub: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them don't pass. `ordered` rises and is not empty."""
    rank = -int(-share * len(ordered) // 1)
    return ordered[min(len(ordered), max(1, rank)) - 1]


def percentiles(values: Iterable[float]) -> dict[str, float] | None:
    """p50, p99 and p99.9; None where there are no values."""
    ordered = sorted(values)
    return {name: percentile(ordered, share) for name, share in SHARES.items()} if ordered else None


def join(seen: Iterable[Seen], published: Iterable[Published]) -> list[float]:
    """Delays from publish to client in ms, of what both saw."""
    by_stream: dict[str, list[Published]] = {}
    for message in published:
        by_stream.setdefault(message.stream, []).append(message)
    firsts: dict[str, list[int]] = {}
    for stream, messages in by_stream.items():
        messages.sort(key=lambda message: message.first)
        firsts[stream] = [message.first for message in messages]
    delays = []
    for stream, seq, ts_ns in seen:
        place = bisect_right(firsts.get(stream, ()), seq) - 1
        if place < 0:
            continue
        message = by_stream[stream][place]
        if seq < message.first + message.entries:
            delays.append((ts_ns - message.ts_pub) / NS_PER_MS)
    return delays


def quantile_of_buckets(counts: Mapping[float, float], share: float) -> float | None:
    """A quantile of a Prometheus histogram, `counts` by upper bound and cumulative, straight within its bucket.

    None where it is empty or the quantile lies beyond the last finite bound.
    """
    bounds = sorted(counts)
    if not bounds or not counts[bounds[-1]]:
        return None
    wanted = share * counts[bounds[-1]]
    if counts[bounds[0]] >= wanted:
        return bounds[0]
    for low, high in pairwise(bounds):
        if counts[high] >= wanted:
            if high == float("inf"):
                return None
            return low + (high - low) * (wanted - counts[low]) / (counts[high] - counts[low])
    return None
