"""Every metric of the service, in one place. Children are bound by their users; what hot paths count is a tally."""

from typing import Final

from prometheus_client import PLATFORM_COLLECTOR, Counter, Gauge, Info

from feed import __version__
from feed.exposition import Across, Rules
from feed.tally import Spreads, Tallies

# Negative buckets: a venue's clock may run ahead of ours (1.27 s in one recording), and a clamped delay is a lie.
DELAY_BUCKETS = (
    -10.0, -1.0, -0.1, -0.01, -0.001, 0.0,
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 60.0,
)  # fmt: skip
COST_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

BUILD = Info("feed_build", "Version of the running program.")
BUILD.info({"version": __version__})

HOP_DELAY = Spreads(
    "feed_hop_delay_seconds",
    "Delay of one hop of a tick's way, sampled once per batch from its oldest tick.",
    ["feed", "hop"],
    buckets=DELAY_BUCKETS,
)
HOP_VENUE_INGEST = "venue_to_ingest"
HOP_INGEST_PUBLISH = "ingest_to_publish"
HOP_PUBLISH_GATEWAY = "publish_to_gateway"
HOP_GATEWAY_SOCKET = "gateway_to_socket"
HOP_PUBLISH_SOCKET = "publish_to_socket"
HOP_CLIENT_ECHO = "client_echo"

INGEST_CONNECTED = Gauge("feed_ingest_connected", "1 while the venue's connection is up.", ["feed"])
INGEST_RECONNECTS = Counter("feed_ingest_reconnects", "Venue connections that ended, by reason.", ["feed", "reason"])
INGEST_FRAMES = Tallies("feed_ingest_frames", "Frames read from the venue.", ["feed"])
INGEST_BYTES = Tallies("feed_ingest_bytes", "Bytes of frames read from the venue.", ["feed"])
INGEST_PARSE_ERRORS = Counter("feed_ingest_parse_errors", "Venue frames that could not be parsed.", ["feed", "what"])
INGEST_TICKS = Tallies("feed_ingest_ticks", "Ticks normalised, by kind.", ["feed", "kind"])
INGEST_INEXACT = Counter("feed_ingest_inexact", "Venue numbers that float64 does not hold exactly.", ["feed"])
INGEST_LATE = Counter("feed_ingest_late_trades", "Trades that came after their bar was published.", ["feed", "kind"])

PUBLISH_TICKS = Tallies("feed_publish_ticks", "Ticks appended to streams.", ["feed"])
PUBLISH_CALLS = Counter("feed_publish_calls", "Publish script calls, by answer.", ["feed", "answer"])
PUBLISH_DUPLICATES = Counter("feed_publish_duplicates", "Ticks that a peer had published already.", ["feed"])
PUBLISH_DROPPED = Counter("feed_publish_dropped", "Ticks dropped because the worker's buffer was full.", ["feed"])
PUBLISH_BUFFERED = Gauge("feed_publish_buffered_bytes", "Bytes of ticks that wait for Redis.", ["feed"])

BUS_CONNECTED = Gauge("feed_bus_connected", "1 while the connection to Redis is up.", ["role"])
BUS_RECONNECTS = Counter("feed_bus_reconnects", "Connections to Redis that were lost.", ["role"])
BUS_WORKERS = Gauge("feed_bus_workers", "Workers of a feed that this gateway hears beat.", ["feed"])
BUS_FEED_LIVE = Gauge("feed_bus_feed_live", "1 while some worker hears something of the feed's source.", ["feed"])
BUS_SILENT = Gauge("feed_bus_silent_symbols", "Symbols of a live feed that no worker hears anything of.", ["feed"])

GATEWAY_CONNECTIONS = Gauge("feed_gateway_connections", "Open WebSocket connections.", ["feed"])
GATEWAY_SUBSCRIPTIONS = Gauge("feed_gateway_subscriptions", "Streams and wildcards that clients hold.", ["feed"])
GATEWAY_COHORTS = Gauge("feed_gateway_cohorts", "Groups of clients that get the same bytes.", ["feed"])
GATEWAY_STREAMS = Gauge("feed_gateway_streams", "Streams that this gateway reads from Redis.", ["feed"])
GATEWAY_TICKS_IN = Tallies("feed_gateway_ticks_in", "Ticks read from Redis.", ["feed", "kind"])
GATEWAY_STALE = Tallies("feed_gateway_stale_ticks", "Ticks from Redis that had been seen before.", ["feed"])
GATEWAY_MESSAGES_OUT = Tallies("feed_gateway_messages_out", "Data messages written to clients.", ["feed"])
GATEWAY_BYTES_OUT = Tallies("feed_gateway_bytes_out", "Bytes of data frames written to clients.", ["feed"])
GATEWAY_FRAMES_OUT = Tallies("feed_gateway_frames_out", "Data frames written to clients.", ["feed"])
GATEWAY_GAPS = Counter("feed_gateway_gaps", "Holes named to clients, by cause.", ["feed", "cause"])
GATEWAY_CONFLATED = Tallies("feed_gateway_conflated_ticks", "Ticks that another one stood for.", ["feed", "why"])
GATEWAY_LANES = Gauge("feed_gateway_lanes", "Clients that are behind the others: resuming, or slow.", ["feed"])
GATEWAY_SLOW = Counter("feed_gateway_slow_clients", "Clients that were warned (notice) or cut off.", ["feed", "what"])
GATEWAY_RESUMES = Counter("feed_gateway_resumes", "Streams resumed: from tail or log, or not (lost).", ["feed", "how"])
GATEWAY_LOG_READS = Counter("feed_gateway_log_reads", "Stretches of log that were read for clients.")
GATEWAY_TAIL = Gauge("feed_gateway_tail_messages", "Messages kept for clients that resume.", ["feed"])
GATEWAY_HANDSHAKES = Counter("feed_gateway_handshakes", "WebSocket handshakes, by result.", ["result"])
GATEWAY_ERRORS = Counter("feed_gateway_errors", "Error messages sent to clients, by code.", ["code"])
GATEWAY_CLOSES = Counter("feed_gateway_closes", "Connections that the gateway closed, by close code.", ["code"])
GATEWAY_FLUSH = Spreads("feed_gateway_flush_seconds", "Time that one flush takes.", ["feed"], buckets=COST_BUCKETS)

AUTH_ATTEMPTS = Counter("feed_auth_attempts", "Credentials that were presented, by result.", ["result", "reason"])
AUTH_CURRENT = Gauge("feed_auth_current", "1 while keys, or an issuer's, could be read at the last look.", ["what"])
GATEWAY_GUESTS = Gauge("feed_gateway_guests", "WebSocket connections that were let in, by kind of proof.", ["auth"])
GATEWAY_REFUSALS = Counter("feed_gateway_refusals", "Refusals that are not about credentials, by what.", ["reason"])

GATEWAY_WORKERS = Gauge("feed_gateway_workers", "Worker processes that the gateway was told to have.")
GATEWAY_WORKERS_UP = Gauge("feed_gateway_workers_up", "Worker processes that listen, and answer their parent.")
GATEWAY_WORKER_RESTARTS = Counter("feed_gateway_worker_restarts", "Workers started again, by why.", ["cause"])

# How the gauges of a gateway's workers become one. What must hold of every client's worker is the worst of them all.
ACROSS_WORKERS: Final[Rules] = {
    family.name: how
    for how, gauges in (
        (
            Across.SUM,
            (
                PUBLISH_BUFFERED, GATEWAY_CONNECTIONS, GATEWAY_SUBSCRIPTIONS, GATEWAY_COHORTS, GATEWAY_STREAMS,
                GATEWAY_LANES, GATEWAY_TAIL, GATEWAY_GUESTS, GATEWAY_WORKERS, GATEWAY_WORKERS_UP,
            ),
        ),
        (Across.LEAST, (INGEST_CONNECTED, AUTH_CURRENT, BUS_CONNECTED, BUS_WORKERS, BUS_FEED_LIVE)),
        (Across.MOST, (BUS_SILENT,)),
        (Across.SAME, (PLATFORM_COLLECTOR,)),
    )
    for gauge in gauges
    for family in gauge.collect()
}  # fmt: skip
