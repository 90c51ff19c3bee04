"""The overview: is the data fresh, complete and delivered; and where the time goes when it is not."""

from typing import Final

from grafana.boards.board import GATEWAY, INGEST, OVERVIEW, REDIS, Board, Row
from grafana.boards.limits import EVEN_ONE, LIVE_OR_STALE, falling, rising, worth_a_look
from grafana.boards.panel import COUNT, SECONDS, SHARE, WORD, heat, lines, named, per_s, stat, steps, table
from grafana.boards.promises import PROMISES
from grafana.boards.query import (
    GAPS,
    GATEWAYS,
    MISSING,
    SLOW,
    WORKERS,
    Query,
    hop,
    lately,
    least,
    most,
    of_feeds,
    of_pods,
    or_zero,
    quantile,
    rate,
    rose_in_all,
    total,
)

# In the order of a tick's way.
WAY: Final = ("venue_to_ingest", "ingest_to_publish", "publish_to_gateway", "gateway_to_socket")
QUANTILES: Final = ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"))

OUT: Final = total(rose_in_all(of_feeds("feed_gateway_messages_out_total")))
# What one client missed that was away for too long is its own doing, and its own word.
LOST: Final = total(rose_in_all(of_feeds(MISSING, 'cause!="history"')))


FRESH: Final = (
    stat(
        "Feeds live",
        "Whether some worker hears the venue of each feed, as the gateways see it.",
        "stale: look at Ingest whether its workers run and are connected to the venue, and at Redis whether their "
        "beats arrive. A feed that nobody publishes any more: take it out of gateway.feeds.",
        Query(least(of_feeds("feed_bus_feed_live"), "feed"), "{{feed}}"),
        unit=WORD, limits=falling(1), state=LIVE_OR_STALE, alerts=["FeedStale"], see=[INGEST],
    ),
    stat(
        "Silent symbols",
        "Symbols of live feeds that no worker hears anything of. Clients were told `stale` for each.",
        "See on Ingest which worker's connection is down. If all are up, the venue is mute about these symbols: "
        "look at its own status page, or whether it dropped them.",
        Query(total(most(of_feeds("feed_bus_silent_symbols"), "namespace, feed"))),
        unit=COUNT, limits=EVEN_ONE, decimals=0, alerts=["FeedSymbolsSilent"], see=[INGEST],
    ),
    stat(
        "Newest tick",
        "Age of the newest tick that any worker read, of the feed where it is oldest.",
        "A market that is closed is quiet; one that is open and quiet for half a minute is not heard. Compare "
        "with Feeds live, then see Ingest.",
        Query(most(least(of_feeds("feed_ingest_last_tick_age_seconds"), "namespace, feed"))),
        unit=SECONDS, limits=rising(30, 5), see=[INGEST],
    ),
    stat(
        "Workers",
        "Ingest workers of each feed whose beats the gateways hear. Two survive the loss of either; sim has one.",
        "0: nothing of this feed can arrive: start a worker. Fewer than there should be: the feed goes on, without "
        "a spare; see which pod of Ingest is missing.",
        Query(least(of_feeds("feed_bus_workers"), "feed"), "{{feed}}"),
        unit=COUNT, limits=falling(1), decimals=0, alerts=["FeedNoSecondWorker"], see=[INGEST],
    ),
    stat(
        "Venue to ingest, p99",
        "From the venue's own time of a tick to when the worker read it; of 100 ticks 99 are faster. It has the "
        "difference of the two clocks in it.",
        "If Clock offset is up, it is the clock. Else the way to the venue, or a worker that is out of CPU: see "
        "Ingest, loop delay.",
        Query(quantile(0.99, hop("venue_to_ingest"))),
        unit=SECONDS, limits=rising(1, 0.5), alerts=["FeedVenueSlow"], see=[INGEST],
    ),
    stat(
        "Clock offset",
        "How far the clocks of some hop are apart at least, by its most negative delay of the last minute; 0 "
        "while no delay is negative.",
        "Delays over that hop are wrong by as much. Look at the time service (chrony, ntp) of the machine that "
        "runs behind; where the hop is venue_to_ingest and the machine is right, it is the venue's clock.",
        Query(most(of_feeds("feed_hop_clock_offset_seconds", 'hop!~"venue_to_ingest|client_echo"')), "ours"),
        Query(most(of_feeds("feed_hop_clock_offset_seconds", 'hop="venue_to_ingest"')), "venue"),
        unit=SECONDS, limits=rising(0.01), alerts=["FeedClockOffset"], see=[INGEST],
        overrides=[named("venue", thresholds=steps(rising(2, 1)))],
    ),
)  # fmt: skip


# Completeness is never rounded up: 100 % is said of nothing that is less.
COMPLETE: Final = (
    stat(
        "Completeness",
        "Of what clients should have got in the time shown, the share that they got: deliveries against ticks "
        "that clients were told are missing. Without deliveries there is none.",
        "See Gaps for the cause: venue or ingest is lost for everybody, bus by Redis. What clients missed that came "
        "back too late, or read too slowly, is not in it: see Resumes lost.",
        Query(f"floor((1 - {LOST} / ({OUT} + {LOST} > 0)) * 1e5) / 1e5"),
        unit=SHARE, limits=falling(1 - 14.4 * 0.0001, 0.9999), decimals=3, alerts=["FeedCompletenessBurnsFast"],
        see=[GATEWAY],
    ),
    stat(
        "Gaps",
        "Holes that streams had in the time shown, by cause; each gateway process that holds a stream counts its.",
        "venue, ingest: see Ingest, gaps and buffer. bus: Redis lost or trimmed entries before a gateway read "
        "them: see Redis and bus. history: clients came back after more than the log holds (history.seconds).",
        Query(total(rose_in_all(of_feeds(GAPS)), "cause"), "{{cause}}"),
        unit=COUNT, limits=EVEN_ONE, decimals=0, width=5, alerts=["FeedGaps"], see=[GATEWAY, REDIS],
        overrides=[named("history", thresholds=steps(worth_a_look(1)))],
    ),
    stat(
        "Missing ticks",
        "Ticks that clients were told are missing in the time shown, once for each client, but for those who were "
        "away for too long.",
        "As for Gaps: the cause says where to look. `feed trace` follows one stream and shows who is behind.",
        Query(LOST),
        unit=COUNT, limits=EVEN_ONE, decimals=0, width=5, see=[GATEWAY],
    ),
    stat(
        "Dropped by ingest",
        "Ticks that workers gave up in the time shown, as the buffer for a Redis that is away was full. A peer may "
        "have published them all the same: then there is no gap.",
        "Bring Redis back. If it was away for long, publish.buffer_bytes or buffer_s were too small for that.",
        Query(or_zero(total(rose_in_all(of_feeds("feed_publish_dropped_total"))), WORKERS)),
        unit=COUNT, limits=EVEN_ONE, decimals=0, width=5, alerts=["FeedTicksDropped"], see=[INGEST, REDIS],
    ),
    stat(
        "Resumes lost",
        "Streams that clients wanted to resume in the time shown, from further back than the log holds.",
        "One now and then is a laptop that slept. Many at once: Redis lost its logs, or history.seconds is shorter "
        "than what clients are away for.",
        Query(or_zero(total(rose_in_all(of_feeds("feed_gateway_resumes_total", 'how="lost"'))), GATEWAYS)),
        unit=COUNT, limits=worth_a_look(1), decimals=0, width=5, see=[GATEWAY],
    ),
)  # fmt: skip


CREDENTIALS: Final = total(rate(of_pods("feed_auth_attempts_total", 'result="refused"')))
HANDSHAKES: Final = total(rate(of_pods("feed_gateway_handshakes_total", 'result!="accepted"')))
REQUESTS: Final = total(rate(of_pods("feed_gateway_refusals_total")))
TAKEN: Final = f"{total(of_feeds('feed_gateway_connections'))} / {total(of_pods('feed_gateway_connections_limit'))}"
DELIVERED: Final = (
    stat(
        "Publish to socket, p99",
        "What clients wait for, but for their own line: from publishing to after the write; of 100 deliveries 99 "
        "are faster.",
        "Look at the waterfall below which hop it is. publish to gateway: Redis, or a gateway that does not come "
        "to read; gateway to socket: too many clients or ticks for one core: more gateways, or gateway.workers.",
        Query(quantile(0.99, hop("publish_to_socket"))),
        unit=SECONDS, limits=rising(0.1, 0.05), alerts=["FeedHopSlow"], see=[GATEWAY, REDIS],
    ),
    stat(
        "Deliveries",
        "Data messages that all clients together are given.",
        "0 while there are connections and ticks come in: see Gateway, and try with `feed watch`.",
        Query(total(rate(of_feeds("feed_gateway_messages_out_total")))),
        unit=per_s("messages"), see=[GATEWAY],
    ),
    stat(
        "Ticks in",
        "Ticks that gateways read from Redis, of the streams that some client wants; each gateway counts.",
        "0 while clients are subscribed: see Feeds live, then Redis and bus, then `feed trace`.",
        Query(total(rate(of_feeds("feed_gateway_ticks_in_total")))),
        unit=per_s("ticks"), see=[GATEWAY, REDIS],
    ),
    stat(
        "Connections",
        "Open WebSocket connections, and what share that is of gateway.max_connections of all gateways.",
        "Near the limit new clients get 503: start another gateway, or raise the limit if there is CPU and memory "
        "(20 kB a connection, 45 kB with TLS).",
        Query(total(of_feeds("feed_gateway_connections")), "open"),
        Query(TAKEN, "of the limit"),
        unit=COUNT, alerts=["FeedConnectionsNearLimit"], see=[GATEWAY],
        overrides=[
            named(
                "of the limit", unit=SHARE,
                thresholds=steps(rising(0.8, 0.6)),
            )
        ],
    ),
    stat(
        "Slow clients",
        "Clients that could not keep up in the last five minutes: warned (notice), and cut off (cut).",
        "One is its own line. Many at once is our side: see the waterfall and Gateway, loop delay and outbox. "
        "`feed trace` names who is slow.",
        Query(total(lately(of_feeds(SLOW), "5m"), "what"), "{{what}}"),
        unit=COUNT, limits=rising(5, 1), decimals=0, alerts=["FeedSlowClients"], see=[GATEWAY],
    ),
    stat(
        "Refusals",
        "What is turned away: credentials that let nobody in, handshakes, and requests for what is not granted.",
        "See Gateway, the row Door, for the reasons. credentials: a key that ended, or somebody who tries keys "
        "out; handshakes too_fast and too_many are one address's, full is all of the gateway.",
        Query(or_zero(CREDENTIALS, GATEWAYS), "credentials"),
        Query(or_zero(HANDSHAKES, GATEWAYS), "handshakes"),
        Query(or_zero(REQUESTS, GATEWAYS), "requests"),
        unit=per_s("refusals"), limits=rising(1, 0.1), alerts=["FeedRefusals", "FeedAuthFailures"], see=[GATEWAY],
        overrides=[named("requests", thresholds=steps(worth_a_look(0.1)))],
    ),
)  # fmt: skip


# One graph for each quantile: hops in the order of the way, one on top of the other.
WATERFALL: Final = tuple(
    lines(
        f"Hops, {word}",
        f"The {word} of each hop, one on top of the other in the order of a tick's way. Quantiles do not add up "
        "exactly: the height is near to what the whole way takes, from the venue to the socket.",
        "The thickest is where the time goes. venue to ingest: the line to the venue, or a clock; ingest to "
        "publish: Redis answers late; publish to gateway: Redis, or a busy gateway; gateway to socket: the "
        "gateway.",
        *(Query(quantile(share, hop(name)), name.replace("_", " "), exemplars=share > 0.5) for name in WAY),
        unit=SECONDS, stacked=True, height=9, see=[INGEST, GATEWAY, REDIS],
    )
    for share, word in QUANTILES
)  # fmt: skip


BY_HOP: Final = of_feeds("feed_hop_delay_seconds_bucket")
SHAPE: Final = (
    heat(
        "Publish to socket",
        "How many deliveries took how long, from publishing to after the write to the client's socket.",
        "One band is health. A second band above it is a group of clients or streams that is worse off; a band "
        "that rises is a gateway that falls behind. Dots are single ticks: follow their stream with `feed trace`.",
        Query(total(rate(hop("publish_to_socket")), "le"), exemplars=True),
        unit=SECONDS, see=[GATEWAY],
    ),
    table(
        "Each hop now",
        "Quantiles of each hop; client_echo is a round trip to clients that echo and back.",
        "Compare with what is usual here. A p99.9 far above the p99 is pauses: garbage, a snapshot of Redis, a "
        "machine that is shared. A negative one: clocks, see Clock offset.",
        *(Query(quantile(share, BY_HOP, "hop"), word) for share, word in QUANTILES),
        unit=SECONDS, see=[GATEWAY],
    ),
)  # fmt: skip


OVERVIEW_BOARD: Final = Board(
    OVERVIEW,
    "Fresh, complete, delivered: three rows of lights, then where the time goes: venue, ingest, Redis or gateway.",
    (
        Row("FRESH: do prices arrive", FRESH),
        Row("COMPLETE: does each tick arrive", COMPLETE),
        Row("DELIVERED: do clients get them, and how fast", DELIVERED),
        Row("Where the time goes", WATERFALL),
        Row("How delays spread", SHAPE),
        Row("What is promised", PROMISES),
    ),
)
