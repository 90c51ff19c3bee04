"""Every metric of the service, in one place; METRICS.md is its table. Children are bound by their users."""

import platform
from typing import Final

from prometheus_client import PLATFORM_COLLECTOR, Counter, Gauge, Info

from feed import __version__
from feed.exposition import Across, Rules
from feed.hops import Hop
from feed.tally import Extremes, Levels, Spreads, Tallies

# Negative buckets: a venue's clock may run ahead of ours (1.27 s in one recording), and a clamped delay is a lie. Five
# to a decade (Renard's R5, rounded), so that a quantile is known to 60 %; 0.1 s, the objective, is one of them.
DELAY_BUCKETS: Final = (
    -10.0, -1.0, -0.1, -0.01, -0.001, 0.0,
    0.00001, 0.000016, 0.000025, 0.00004, 0.000063,
    0.0001, 0.00016, 0.00025, 0.0004, 0.00063,
    0.001, 0.0016, 0.0025, 0.004, 0.0063,
    0.01, 0.016, 0.025, 0.04, 0.063,
    0.1, 0.16, 0.25, 0.4, 0.63,
    1.0, 1.6, 2.5, 4.0, 6.3, 10.0, 60.0,
)  # fmt: skip
COST_BUCKETS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
SIZE_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)

BUILD = Info("feed_build", "Version of the running program, and of the Python that runs it.")
BUILD.info({"version": __version__, "python": platform.python_version()})
LOOP_DELAY = Spreads(
    "feed_loop_delay_seconds", "How late the event loop came to a timer of ours.", [], buckets=COST_BUCKETS
)

HOP_DELAY = Spreads(
    "feed_hop_delay_seconds",
    "Delay of one hop of a tick's way. To the socket each delivery counts (sampled), before it each tick.",
    ["feed", "hop"],
    buckets=DELAY_BUCKETS,
)
HOP_NEGATIVE = Tallies("feed_hop_negative", "Delays below zero: the later clock runs behind.", ["feed", "hop"])
HOP_OFFSET = Extremes(
    "feed_hop_clock_offset_seconds",
    "How far the clocks of a hop are apart at least, by its most negative delay of the last minute; 0 for none.",
    ["feed", "hop"],
)
HOP_VENUE_INGEST: Final = "venue_to_ingest"
HOP_INGEST_PUBLISH: Final = "ingest_to_publish"
HOP_PUBLISH_GATEWAY: Final = "publish_to_gateway"
HOP_GATEWAY_SOCKET: Final = "gateway_to_socket"
HOP_PUBLISH_SOCKET: Final = "publish_to_socket"
HOP_CLIENT_ECHO: Final = "client_echo"
HOPS: Final = (
    HOP_VENUE_INGEST, HOP_INGEST_PUBLISH, HOP_PUBLISH_GATEWAY, HOP_GATEWAY_SOCKET, HOP_PUBLISH_SOCKET, HOP_CLIENT_ECHO,
)  # fmt: skip

# Only for those that the knob metrics.symbols names, MAX_SYMBOLS at most.
SYMBOL_DELAY = Spreads(
    "feed_symbol_delay_seconds",
    "From publishing to the socket, of the symbols that metrics.symbols names.",
    ["feed", "symbol"],
    buckets=DELAY_BUCKETS,
)
SYMBOL_TICKS = Tallies(
    "feed_symbol_ticks", "Ticks read from Redis, of the symbols that metrics.symbols names.", ["feed", "kind", "symbol"]
)

INGEST_CONNECTED = Gauge("feed_ingest_connected", "1 while all connections to the venue are up.", ["feed"])
INGEST_SYMBOLS = Levels("feed_ingest_symbols", "Symbols that the worker is told to read.", ["feed"])
INGEST_SILENT = Levels("feed_ingest_silent_symbols", "Symbols whose connection is down, or brought nothing.", ["feed"])
INGEST_AGE = Levels("feed_ingest_last_tick_age_seconds", "Since the venue's last tick, or the start.", ["feed"])
INGEST_RECONNECTS = Counter("feed_ingest_reconnects", "Venue connections that ended, by reason.", ["feed", "reason"])
INGEST_FRAMES = Tallies("feed_ingest_frames", "Frames read from the venue.", ["feed"])
INGEST_BYTES = Tallies("feed_ingest_bytes", "Bytes of frames read from the venue.", ["feed"])
INGEST_PARSE_ERRORS = Counter("feed_ingest_parse_errors", "Venue frames that could not be parsed.", ["feed", "what"])
INGEST_TICKS = Tallies("feed_ingest_ticks", "Ticks normalised, by kind.", ["feed", "kind"])
INGEST_INEXACT = Counter("feed_ingest_inexact", "Venue numbers that float64 does not hold exactly.", ["feed"])
INGEST_LATE = Counter("feed_ingest_late_trades", "Trades that came after their bar was published.", ["feed", "kind"])

PUBLISH_TICKS = Tallies("feed_publish_ticks", "Ticks appended to streams.", ["feed"])
PUBLISH_CALLS = Tallies("feed_publish_calls", "Publish script calls, by answer.", ["feed", "answer"])
PUBLISH_BATCH = Spreads("feed_publish_batch_ticks", "Ticks of one publish call.", ["feed"], buckets=SIZE_BUCKETS)
PUBLISH_DUPLICATES = Counter("feed_publish_duplicates", "Ticks that a peer had published already.", ["feed"])
PUBLISH_DROPPED = Counter("feed_publish_dropped", "Ticks dropped because the worker's buffer was full.", ["feed"])
PUBLISH_GAPS = Counter("feed_publish_gaps", "Gaps published in place of ticks, by cause.", ["feed", "cause"])
PUBLISH_BUFFERED = Gauge("feed_publish_buffered_bytes", "Bytes of ticks that wait for Redis.", ["feed"])
PUBLISH_BUFFER = Levels(
    "feed_publish_buffer_limit_bytes", "Bytes of ticks that may wait: publish.buffer_bytes.", ["feed"]
)
PUBLISH_OLDEST = Levels(
    "feed_publish_oldest_seconds", "Age of the oldest tick that waits for Redis; 0 for none.", ["feed"]
)

BUS_CONNECTED = Gauge("feed_bus_connected", "1 while the connection to Redis is up.", ["role"])
BUS_RECONNECTS = Counter("feed_bus_reconnects", "Connections to Redis that were lost.", ["role"])
BUS_PROBE_AGE = Levels("feed_bus_probe_age_seconds", "Since Redis was last heard, by own beat or answer.", ["role"])
BUS_CALL = Spreads(
    "feed_bus_call_seconds",
    "From asking Redis to its answer: publish (the script), log, directory; beat: until it is heard by pub/sub.",
    ["call"],
    buckets=COST_BUCKETS,
)
BUS_HEALS = Tallies("feed_bus_heals", "Times that a live stream had to be read on from its log.", ["feed"])
BUS_UNREADABLE = Counter("feed_bus_unreadable", "Messages and log entries that could not be read.", ["feed"])
BUS_WORKERS = Gauge("feed_bus_workers", "Workers of a feed that this gateway hears beat.", ["feed"])
BUS_FEED_LIVE = Gauge("feed_bus_feed_live", "1 while some worker hears something of the feed's source.", ["feed"])
BUS_SILENT = Gauge("feed_bus_silent_symbols", "Symbols of a live feed that no worker hears anything of.", ["feed"])

# What Redis says of itself, to each gateway alike. `server` is "" where there is but one.
REDIS_UPTIME = Levels("feed_redis_uptime_seconds", "Since Redis was started.", ["server"])
REDIS_MEMORY = Levels("feed_redis_memory_bytes", "Memory that Redis uses.", ["server"])
REDIS_MEMORY_LIMIT = Levels(
    "feed_redis_memory_limit_bytes", "Memory that Redis may use: its maxmemory; 0 for no limit.", ["server"]
)
REDIS_CLIENTS = Levels("feed_redis_clients", "Connections to Redis, of all its clients.", ["server"])
REDIS_CPU = Tallies("feed_redis_cpu_seconds", "Processor time that Redis took, its children's left out.", ["server"])
REDIS_COMMANDS = Tallies("feed_redis_commands", "Commands that Redis worked off.", ["server"])
REDIS_EVICTED = Tallies(
    "feed_redis_evicted_keys", "Keys that Redis dropped for room: none with noeviction.", ["server"]
)
REDIS_CUT = Tallies("feed_redis_clients_cut", "Clients that Redis cut off because they read too slowly.", ["server"])

GATEWAY_READY = Levels("feed_gateway_ready", "1 while clients should be sent here.", [])
GATEWAY_CONNECTIONS = Gauge("feed_gateway_connections", "Open WebSocket connections.", ["feed"])
GATEWAY_CONNECTIONS_LIMIT = Levels("feed_gateway_connections_limit", "Most connections: gateway.max_connections.", [])
GATEWAY_SUBSCRIPTIONS = Gauge("feed_gateway_subscriptions", "Streams and wildcards that clients hold.", ["feed"])
GATEWAY_COHORTS = Gauge("feed_gateway_cohorts", "Groups of clients that get the same bytes.", ["feed"])
GATEWAY_STREAMS = Gauge("feed_gateway_streams", "Streams that this gateway reads from Redis.", ["feed"])
GATEWAY_TICKS_IN = Tallies("feed_gateway_ticks_in", "Ticks read from Redis.", ["feed", "kind"])
GATEWAY_AGE = Levels(
    "feed_gateway_last_tick_age_seconds", "Since a tick came, while streams are read; else 0.", ["feed"]
)
GATEWAY_STALE = Tallies("feed_gateway_stale_ticks", "Ticks from Redis that had been seen before.", ["feed"])
GATEWAY_MESSAGES_OUT = Tallies("feed_gateway_messages_out", "Data messages written to clients.", ["feed"])
GATEWAY_BYTES_OUT = Tallies("feed_gateway_bytes_out", "Bytes of data frames written to clients.", ["feed"])
GATEWAY_FRAMES_OUT = Tallies("feed_gateway_frames_out", "Data frames written to clients.", ["feed"])
GATEWAY_GAPS = Counter("feed_gateway_gaps", "Holes of streams, by cause; of history, by client.", ["feed", "cause"])
GATEWAY_MISSING = Counter(
    "feed_gateway_missing_ticks",
    "Ticks that clients were told are missing, once for each client; 1 where their number is not known.",
    ["feed", "cause"],
)
GATEWAY_CONFLATED = Tallies("feed_gateway_conflated_ticks", "Ticks that another one stood for.", ["feed", "why"])
GATEWAY_LANES = Gauge("feed_gateway_lanes", "Clients that are behind the others: resuming, or slow.", ["feed"])
GATEWAY_OUTBOX = Levels("feed_gateway_outbox_bytes", "Bytes that wait in sockets of clients that are behind.", ["feed"])
GATEWAY_LAG = Levels("feed_gateway_lag_seconds", "How far behind the slowest client is.", ["feed"])
GATEWAY_SLOW = Counter("feed_gateway_slow_clients", "Clients that were warned (notice) or cut off.", ["feed", "what"])
GATEWAY_RESUMES = Counter("feed_gateway_resumes", "Streams resumed: from tail or log, or not (lost).", ["feed", "how"])
GATEWAY_LOG_READS = Counter("feed_gateway_log_reads", "Stretches of log that were read for clients.")
GATEWAY_TAIL = Gauge("feed_gateway_tail_messages", "Messages kept for clients that resume.", ["feed"])
GATEWAY_HANDSHAKES = Counter("feed_gateway_handshakes", "WebSocket handshakes, by result.", ["result"])
GATEWAY_ERRORS = Counter("feed_gateway_errors", "Error messages sent to clients, by code.", ["code"])
GATEWAY_CLOSES = Counter("feed_gateway_closes", "Connections that the gateway closed, by close code.", ["code"])
GATEWAY_FLUSH = Spreads("feed_gateway_flush_seconds", "Time that one flush takes.", ["feed"], buckets=COST_BUCKETS)
GATEWAY_FLUSH_SIZE = Spreads(
    "feed_gateway_flush_messages", "Data messages that one flush writes to all clients.", ["feed"], buckets=SIZE_BUCKETS
)
GATEWAY_CERTIFICATE = Levels(
    "feed_gateway_certificate_end_timestamp_seconds", "Unix time at which the certificate that clients see ends.", []
)

AUTH_ATTEMPTS = Counter("feed_auth_attempts", "Credentials that were presented, by result.", ["result", "reason"])
AUTH_CURRENT = Gauge("feed_auth_current", "1 while keys, or an issuer's, could be read at the last look.", ["what"])
GATEWAY_GUESTS = Gauge("feed_gateway_guests", "WebSocket connections that were let in, by kind of proof.", ["auth"])
GATEWAY_REFUSALS = Counter("feed_gateway_refusals", "Refusals that are not about credentials, by what.", ["reason"])

GATEWAY_WORKERS = Levels("feed_gateway_workers", "Worker processes that the gateway was told to have.", [])
GATEWAY_WORKERS_UP = Levels("feed_gateway_workers_up", "Worker processes that listen, and answer their parent.", [])
GATEWAY_WORKER_RESTARTS = Counter("feed_gateway_worker_restarts", "Workers started again, by why.", ["cause"])

# How the values of several processes become one. What must hold of every client's worker is the worst of them all; what
# Redis says of itself it says to each.
ACROSS_WORKERS: Final[Rules] = {
    family.name: how
    for how, collectors in (
        (
            Across.SUM,
            (
                PUBLISH_BUFFERED, PUBLISH_BUFFER, GATEWAY_CONNECTIONS, GATEWAY_CONNECTIONS_LIMIT, GATEWAY_SUBSCRIPTIONS,
                GATEWAY_COHORTS, GATEWAY_STREAMS, GATEWAY_LANES, GATEWAY_OUTBOX, GATEWAY_TAIL, GATEWAY_GUESTS,
                GATEWAY_WORKERS, GATEWAY_WORKERS_UP,
            ),
        ),
        (
            Across.LEAST,
            (
                INGEST_CONNECTED, INGEST_AGE, AUTH_CURRENT, BUS_CONNECTED, BUS_WORKERS, BUS_FEED_LIVE, GATEWAY_READY,
                GATEWAY_CERTIFICATE, REDIS_UPTIME,
            ),
        ),
        (
            Across.MOST,
            (
                HOP_OFFSET, INGEST_SYMBOLS, INGEST_SILENT, PUBLISH_OLDEST, BUS_PROBE_AGE, BUS_SILENT,
                REDIS_MEMORY, REDIS_MEMORY_LIMIT, REDIS_CLIENTS, REDIS_CPU, REDIS_COMMANDS, REDIS_EVICTED, REDIS_CUT,
                GATEWAY_AGE, GATEWAY_LAG,
            ),
        ),
        (Across.SAME, (PLATFORM_COLLECTOR,)),
    )
    for collector in collectors
    for family in collector.collect()
}  # fmt: skip


# What metrics.enabled turns off: counted for each tick, call, flush or write. The rest costs nothing worth mentioning.
ON_THE_WAY: Final = (
    HOP_DELAY, HOP_NEGATIVE, HOP_OFFSET, SYMBOL_DELAY, SYMBOL_TICKS, INGEST_FRAMES, INGEST_BYTES, INGEST_TICKS,
    PUBLISH_TICKS, PUBLISH_CALLS, PUBLISH_BATCH, BUS_CALL, GATEWAY_TICKS_IN, GATEWAY_AGE, GATEWAY_STALE,
    GATEWAY_MESSAGES_OUT, GATEWAY_BYTES_OUT, GATEWAY_FRAMES_OUT, GATEWAY_CONFLATED, GATEWAY_FLUSH, GATEWAY_FLUSH_SIZE,
)  # fmt: skip


def turn_off() -> None:
    """For a process with metrics.enabled = false, before anything in it counts: what is on the ticks' way is not
    counted, and not shown."""
    for collector in ON_THE_WAY:
        collector.turn_off()


def hop(feed: str, name: str) -> Hop:
    """One of HOPS, of a feed."""
    return Hop(HOP_DELAY.labels(feed, name), HOP_NEGATIVE.labels(feed, name), HOP_OFFSET.labels(feed, name))
