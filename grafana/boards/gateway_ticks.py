"""Rows of the gateway's dashboard: what clients are given, and who falls behind."""

from typing import Final

from grafana.boards.board import INGEST, OVERVIEW, REDIS
from grafana.boards.limits import EVEN_ONE, rising
from grafana.boards.panel import BYTES, BYTES_PER_S, COUNT, SECONDS, lines, per_s
from grafana.boards.query import (
    GAPS,
    GATEWAYS,
    MISSING,
    SLOW,
    Query,
    lately,
    of_feeds,
    of_gateways,
    of_pods,
    or_zero,
    rate,
    rose,
    total,
)

EACH: Final = "{{feed}} {{pod}}"


TICKS: Final = (
    lines(
        "Ticks in",
        "Ticks read from Redis, by kind, of streams that some client holds.",
        "Nothing while there are subscriptions: see Redis and bus, and whether the feed is live.",
        Query(total(rate(of_feeds("feed_gateway_ticks_in_total")), "feed, kind"), "{{feed}} {{kind}}"),
        unit=per_s("ticks"), see=[INGEST, REDIS],
    ),
    lines(
        "Messages out",
        "Data messages that clients are given: one for each tick and client, or for several ticks at a rate.",
        "Below ticks in times clients: clients want rates, or are slow: see Conflated.",
        Query(total(rate(of_feeds("feed_gateway_messages_out_total")), "feed, pod"), EACH),
        unit=per_s("messages"), see=[OVERVIEW],
    ),
    lines(
        "Frames out",
        "WebSocket frames, one write each. Under load many messages share one.",
        "Frames cost CPU, not messages: some 150,000 a second fill a core. More gateways, or a longer "
        "flush.window_max_s.",
        Query(total(rate(of_feeds("feed_gateway_frames_out_total")), "feed, pod"), EACH),
        unit=per_s("frames"), see=[OVERVIEW],
    ),
    lines(
        "Bytes out",
        "Bytes of data frames.",
        "Near what the network carries: MessagePack takes less than JSON, and gateway.compression a quarter.",
        Query(total(rate(of_feeds("feed_gateway_bytes_out_total")), "feed, pod"), EACH),
        unit=BYTES_PER_S, see=[OVERVIEW],
    ),
    lines(
        "Conflated",
        "Ticks that another one stood for: as the client wants a rate, or as it is slow.",
        "slow, and rising: clients fall behind: see Lag and Outbox.",
        Query(total(rate(of_feeds("feed_gateway_conflated_ticks_total")), "feed, why"), "{{feed}} {{why}}"),
        unit=per_s("ticks"), see=[OVERVIEW],
    ),
    lines(
        "Age of the last tick, and repeated ones",
        "Since a tick came while streams are read; and ticks from Redis that had been seen before.",
        "Age: as for Newest tick of the overview. Repeats come after Redis was set back, and are dropped; all the "
        "time they mean that two Redis are behind one name.",
        Query(of_feeds("feed_gateway_last_tick_age_seconds"), f"{EACH} age"),
        Query(
            or_zero(total(rate(of_feeds("feed_gateway_stale_ticks_total")), "feed"), GATEWAYS, "feed"),
            "{{feed}} repeated a second",
        ),
        unit=SECONDS, limits=rising(30, 5), see=[OVERVIEW, REDIS],
        overrides=[
            {
                "matcher": {"id": "byRegexp", "options": "/repeated a second$/"},
                "properties": [{"id": "unit", "value": per_s("ticks")}],
            }
        ],
    ),
)  # fmt: skip


BEHIND: Final = (
    lines(
        "Clients behind",
        "Clients that have a lane of their own: they resume, or are slow.",
        "A peak after a restart is clients coming back. A floor that stays is slow clients.",
        Query(total(of_feeds("feed_gateway_lanes"), "feed, pod"), EACH),
        unit=COUNT, see=[OVERVIEW],
    ),
    lines(
        "Outbox",
        "Bytes that wait in the sockets of clients that are behind.",
        "It is memory: gateway.outbox_bytes a client. `feed trace` names who they are.",
        Query(total(of_feeds("feed_gateway_outbox_bytes"), "pod"), "{{pod}}"),
        unit=BYTES, limits=rising(256 * 1024 * 1024, 64 * 1024 * 1024), alerts=["FeedOutboxLarge"], see=[OVERVIEW],
    ),
    lines(
        "Lag",
        "How far behind the slowest client is.",
        "Above gateway.slow_notice_s it is warned, at slow_close_s cut off.",
        Query(of_feeds("feed_gateway_lag_seconds"), EACH),
        unit=SECONDS, limits=rising(10, 2), see=[OVERVIEW],
    ),
    lines(
        "Slow clients",
        "Clients that were warned (notice) and cut off (cut) in the five minutes before.",
        "As on the overview: one is its line, many are us.",
        Query(total(lately(of_feeds(SLOW), "5m"), "feed, what"), "{{feed}} {{what}}"),
        unit=COUNT, limits=rising(5, 1), alerts=["FeedSlowClients"], see=[OVERVIEW],
    ),
    lines(
        "Resumes",
        "Streams that clients resumed: from the gateway's tail, from the log in Redis, or not any more (lost).",
        "Many from the log at once: gateways restarted; it costs Redis. lost: see the overview.",
        Query(total(rose(of_feeds("feed_gateway_resumes_total")), "feed, how"), "{{feed}} {{how}}"),
        unit=COUNT, see=[OVERVIEW],
    ),
    lines(
        "Log reads and tail",
        "Stretches of log that were read for clients, a second; and messages kept for those that come back.",
        "Reads that go on: clients that resume again and again, see Closes. Tail: memory, bounded by "
        "gateway.tail_ticks.",
        Query(
            of_gateways(total(rate(of_pods("feed_gateway_log_reads_total")), "namespace, pod")),
            "{{pod}} reads a second",
        ),
        Query(total(of_feeds("feed_gateway_tail_messages"), "feed"), "{{feed}} tail"),
        unit=COUNT, see=[REDIS],
    ),
    lines(
        "Gaps and missing ticks",
        "Holes of streams, by cause, and ticks that clients were told are missing, once for each client.",
        "As on the overview: the cause says where to look.",
        Query(
            total(rose(of_feeds(GAPS)), "feed, cause"),
            "{{feed}} gaps {{cause}}",
        ),
        Query(
            total(rose(of_feeds(MISSING)), "feed"), "{{feed}} ticks",
        ),
        unit=COUNT, limits=EVEN_ONE, alerts=["FeedGaps"], see=[OVERVIEW, INGEST, REDIS],
    ),
)  # fmt: skip
