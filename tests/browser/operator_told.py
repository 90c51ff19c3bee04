"""Made-up answers of `/operator/metrics`, and the operator's modules at hand in a browser."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from feed.metrics import DELAY_BUCKETS
from tests.fakes.gateway import FakeGateway

T0 = 1_723_161_600.0
HOP = "feed_hop_delay_seconds"
Sample = list[Any]
Run = Callable[..., Any]


@contextmanager
def modules(browser: Any) -> Iterator[Run]:
    """Runs a JavaScript expression with the operator's modules at hand, and an argument; returns its value."""
    with FakeGateway([]).in_thread() as gateway:
        page = browser.new_page()
        page.goto(f"{gateway.url}/#feed=sim&symbols=")

        def evaluate(expression: str, given: Any = None) -> Any:
            names = ("numbers", "stats", "panels", "heat")
            imports = "".join(f"const {name} = await import('/web/operator-{name}.js');" for name in names)
            return page.evaluate(f"async (given) => {{ {imports} return {expression}; }}", given)

        yield evaluate
        page.close()


def cumulated(counts: Sequence[float], bounds: Sequence[float] = DELAY_BUCKETS) -> list[list[float]]:
    """Buckets of a histogram as pairs of bound and count; the last bound is infinite, written null."""
    pairs: list[list[Any]] = []
    for bound, count in zip([*bounds, None], counts, strict=True):
        pairs.append([bound, count + (pairs[-1][1] if pairs else 0)])
    return pairs


def spread(**at: float) -> list[float]:
    """Counts of DELAY_BUCKETS and the infinite one, most of them 0: `b12=5` is 5 in the thirteenth."""
    counts = [0.0] * (len(DELAY_BUCKETS) + 1)
    for name, count in at.items():
        counts[int(name[1:])] = count
    return counts


def histogram(name: str, counts: Sequence[float], **labels: str) -> Sample:
    samples = [
        [f"{name}_bucket", labels | {"le": "+Inf" if bound is None else f"{bound:g}"}, count]
        for bound, count in cumulated(counts)
    ]
    return [name, "histogram", samples]


def counter(name: str, value: float, **labels: str) -> Sample:
    return [name, "counter", [[f"{name}_total", labels, value]]]


def gauge(name: str, value: float, **labels: str) -> Sample:
    return [name, "gauge", [[name, labels, value]]]


def body(
    after_s: float, *families: Sample, who: Sequence[str] = ("a",), age_s: float = 0.0, numbers: bool = True
) -> dict[str, Any]:
    processes = [
        {
            "name": name,
            "role": "gateway",
            "version": "1",
            "age_s": age_s,
            "ready": True,
            "not_ready": "",
            "connections": 1,
            "numbers": numbers,
        }
        for name in who
    ]
    return {"t": T0 + after_s, "complete": True, "processes": processes, "families": list(families)}


def health() -> list[Sample]:
    """Families of a service that is well, at its first look; counters are 0."""
    return [
        gauge("feed_gateway_ready", 1), gauge("feed_ingest_connected", 1, feed="sim"),
        gauge("feed_bus_feed_live", 1, feed="sim"), gauge("feed_bus_silent_symbols", 0, feed="sim"),
        gauge("feed_bus_workers", 2, feed="sim"), gauge("feed_ingest_last_tick_age_seconds", 0.2, feed="sim"),
        gauge("feed_hop_clock_offset_seconds", 0, feed="sim", hop="venue_to_ingest"),
        gauge("feed_gateway_connections", 40, feed="sim"), gauge("feed_gateway_connections_limit", 20_000),
        counter("feed_gateway_messages_out", 0, feed="sim"),
        counter("feed_gateway_ticks_in", 0, feed="sim", kind="trades"),
        histogram(HOP, spread(), feed="sim", hop="publish_to_socket"),
        histogram(HOP, spread(), feed="sim", hop="venue_to_ingest"),
    ]  # fmt: skip


def later(*changed: Sample) -> list[Sample]:
    """The same a second later: 1,000 deliveries within 1 ms; what is `changed` stands in place of what it is."""
    moved = [
        counter("feed_gateway_messages_out", 1_000, feed="sim"),
        counter("feed_gateway_ticks_in", 250, feed="sim", kind="trades"),
        histogram(HOP, spread(b16=1_000), feed="sim", hop="publish_to_socket"),
        histogram(HOP, spread(b16=1_000), feed="sim", hop="venue_to_ingest"),
        *changed,
    ]
    names = {json.dumps([family[0], family[2][0][1]]) for family in moved}
    return [each for each in health() if json.dumps([each[0], each[2][0][1]]) not in names] + moved
