"""Rows of the gateway's dashboard: how late clients are given it, and what that costs."""

from typing import Final

from grafana.boards.board import INGEST, OVERVIEW, REDIS
from grafana.boards.limits import EVEN_ONE, UP_OR_DOWN, falling, rising
from grafana.boards.panel import BYTES, COUNT, SECONDS, SHARE, WORD, heat, lines, per_s, stat, table
from grafana.boards.query import (
    RESTARTS,
    Query,
    hop,
    lately,
    least,
    of_feeds,
    of_gateways,
    of_pods,
    quantile,
    rate,
    total,
)

QUANTILES: Final = (0.5, 0.99, 0.999)


DELAYS: Final = (
    lines(
        "Publish to gateway",
        "From the publish call to when the gateway read the tick off Redis.",
        "Up for one pod: that gateway does not come to read, see Loop delay. Up for all: Redis, see its CPU.",
        *(Query(quantile(q, hop("publish_to_gateway")), f"p{q * 100:g}", exemplars=True) for q in QUANTILES),
        unit=SECONDS, limits=rising(0.1, 0.05), alerts=["FeedHopSlow"], see=[REDIS],
    ),
    lines(
        "Gateway to socket",
        "From reading a tick to after the write of the client's frame: waiting for the flush, and writing to all.",
        "Up to flush.window_max_s is meant. More: one flush takes too long: see Flush. More gateways or workers.",
        *(Query(quantile(q, hop("gateway_to_socket")), f"p{q * 100:g}", exemplars=True) for q in QUANTILES),
        unit=SECONDS, limits=rising(0.1, 0.05), alerts=["FeedHopSlow"], see=[OVERVIEW],
    ),
    lines(
        "Client echo",
        "Round trip to clients that echo a stamp: to them, through their program, and back.",
        "Up while Publish to socket is not: their line, or their program. Nothing is amiss here.",
        *(Query(quantile(q, hop("client_echo")), f"p{q * 100:g}") for q in QUANTILES),
        unit=SECONDS, see=[OVERVIEW],
    ),
    heat(
        "Publish to socket",
        "How many deliveries took how long, from publishing to after the write.",
        "A second band is a group that is worse off: choose one pod or feed above to find it. Dots are single "
        "ticks with stream and number, for `feed trace`.",
        Query(total(rate(hop("publish_to_socket")), "le"), exemplars=True),
        unit=SECONDS, see=[OVERVIEW],
    ),
    lines(
        "Publish to socket by pod, p99",
        "The same of each gateway.",
        "One pod above the others has more clients, or shares its core: see CPU and Connections.",
        Query(quantile(0.99, hop("publish_to_socket"), "pod"), "{{pod}}", exemplars=True),
        unit=SECONDS, limits=rising(0.1, 0.05), height=9, alerts=["FeedHopSlow"], see=[OVERVIEW],
    ),
    lines(
        "Flush",
        "How long one flush takes: encoding, joining and writing to all clients of a feed. p50 and p99.",
        "Above 50 ms the clients at its end wait that long: more gateways or workers, fewer different cohorts.",
        *(
            Query(quantile(q, of_feeds("feed_gateway_flush_seconds_bucket"), "feed"), f"{{{{feed}}}} p{q * 100:g}")
            for q in (0.5, 0.99)
        ),
        unit=SECONDS, limits=rising(0.1, 0.05), alerts=["FeedFlushSlow"], see=[OVERVIEW],
    ),
    lines(
        "Messages of a flush",
        "Data messages that one flush writes to all clients. p50 and p99.",
        "It grows with load, as it should: a busy gateway writes more at a time, not more often.",
        *(
            Query(quantile(q, of_feeds("feed_gateway_flush_messages_bucket"), "feed"), f"{{{{feed}}}} p{q * 100:g}")
            for q in (0.5, 0.99)
        ),
        unit=COUNT, see=[OVERVIEW],
    ),
    lines(
        "Chosen symbols, p99 and ticks",
        "From publishing to the socket, and ticks read, of the symbols that metrics.symbols names.",
        "Name symbols that matter to you in metrics.symbols, 20 at most. One that is slower than the others: "
        "`feed trace` follows it.",
        Query(quantile(0.99, of_feeds("feed_symbol_delay_seconds_bucket"), "feed, symbol"), "{{symbol}} p99"),
        Query(total(rate(of_feeds("feed_symbol_ticks_total")), "feed, kind, symbol"), "{{symbol}} {{kind}} a second"),
        unit=SECONDS, see=[OVERVIEW],
        overrides=[
            {
                "matcher": {"id": "byRegexp", "options": "/a second$/"},
                "properties": [
                    {"id": "unit", "value": per_s("ticks")},
                    {"id": "custom.axisPlacement", "value": "right"},
                ],
            }
        ],
    ),
)  # fmt: skip


# Prometheus' jobs for our processes, whatever stands before their names.
SCRAPED: Final = 'job=~"(.*[-/])?(gateway|ingest)"'
CPU: Final = total(rate(of_pods("process_cpu_seconds_total")), "namespace, pod, worker")
MEMORY: Final = total(of_pods("process_resident_memory_bytes"), "namespace, pod, worker")
PROCESSES: Final = (
    lines(
        "Loop delay, p99",
        "How late a gateway's event loop comes to a timer: what every client waits for at times.",
        "Above 50 ms the core is full or shared. See CPU: more workers (gateway.workers), more gateways.",
        Query(of_gateways(quantile(0.99, of_pods("feed_loop_delay_seconds_bucket"), "namespace, pod")), "{{pod}}"),
        unit=SECONDS, limits=rising(0.1, 0.05), alerts=["FeedLoopLate"], see=[OVERVIEW],
    ),
    lines(
        "CPU",
        "Share of one core that each process takes.",
        "A process is one thread: at 100 % its clients wait. gateway.workers spreads them over cores.",
        Query(of_gateways(CPU), "{{pod}} {{worker}}"),
        unit=SHARE, limits=rising(0.9, 0.7), least=0, see=[OVERVIEW],
    ),
    lines(
        "Memory",
        "Resident memory of each process.",
        "Connections (20 kB, 45 kB with TLS), the tail, and outboxes: see these. A slope without them is a leak.",
        Query(of_gateways(MEMORY), "{{pod}} {{worker}}"),
        unit=BYTES, least=0, see=[OVERVIEW],
    ),
    lines(
        "Restarts",
        "Worker processes of a gateway that were started again in the 15 minutes before.",
        "killed with a rising Memory is the kernel's: give it more. hung: see Loop delay before it. The log has "
        "the last words (worker_lost).",
        Query(total(lately(of_pods(RESTARTS), "15m"), "pod"), "{{pod}}"),
        unit=COUNT, limits=EVEN_ONE, alerts=["FeedGatewayWorkerRestarted"], see=[OVERVIEW],
    ),
    stat(
        "Scraped",
        "Whether Prometheus reaches each process' admin port.",
        "down: the process is gone or hangs, or the network between; its clients may be well. See its log.",
        Query(least(of_pods("up", SCRAPED), "pod"), "{{pod}}"),
        unit=WORD, limits=falling(1), state=UP_OR_DOWN, width=8, alerts=["FeedTargetDown"], see=[OVERVIEW, INGEST],
    ),
    table(
        "Versions",
        "Which version each process runs, and on which Python.",
        "Two versions at once are a rolling upgrade, or one that got stuck.",
        Query(total(of_pods("feed_build_info"), "pod, version, python"), "processes"),
        unit=COUNT, width=8, height=8, see=[OVERVIEW, INGEST],
    ),
)  # fmt: skip
