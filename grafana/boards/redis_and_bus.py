"""Redis and bus: what Redis says of itself, how it answers, and who has lost it."""

from typing import Final

from grafana.boards.board import GATEWAY, INGEST, OVERVIEW, REDIS, Board, Row
from grafana.boards.limits import EVEN_ONE, LIVE_OR_STALE, UP_OR_DOWN, falling, rising, worth_a_look
from grafana.boards.panel import BYTES, COUNT, SECONDS, SHARE, WORD, lines, per_s, stat
from grafana.boards.query import (
    GATEWAYS,
    HEALS,
    Query,
    lately,
    least,
    most,
    of_feeds,
    of_pods,
    or_zero,
    quantile,
    rate,
    rose,
    rose_in_all,
    total,
)

# Redis is asked every 10 s: of less than a minute a rate would jump.
MINUTE: Final = "1m"
# Each gateway tells what Redis told it in the last 10 s, and of a cluster what each master did: the worst of them.
NAMESPACE: Final = "namespace"


MEMORY: Final = most(of_pods("feed_redis_memory_bytes"), NAMESPACE)
LIMIT: Final = most(of_pods("feed_redis_memory_limit_bytes"), NAMESPACE)
SERVER: Final = (
    stat(
        "Memory of the limit",
        "What share of its maxmemory Redis takes. Without a maxmemory there is none: set one, below the machine's.",
        "At 100 % publishing fails (noeviction), and ticks wait in the workers. A shorter history.seconds, or more "
        "memory: an entry takes some 109 bytes.",
        Query(f"{MEMORY} / ({LIMIT} > 0)"),
        unit=SHARE, limits=rising(0.9, 0.75), alerts=["FeedRedisMemoryHigh"], see=[OVERVIEW],
    ),
    stat(
        "CPU of one core",
        "Redis works all commands off in one thread: its share of one core.",
        "Above 90 % calls wait: see Calls. Fewer log reads (clients that resume in a circle), larger batches, a "
        "faster core.",
        Query(most(rate(of_pods("feed_redis_cpu_seconds_total")), NAMESPACE)),
        unit=SHARE, limits=rising(0.8, 0.6), alerts=["FeedRedisCpuFull"], every=MINUTE, see=[OVERVIEW],
    ),
    stat(
        "Running for",
        "Since Redis was started.",
        "Short: it restarted. What its memory held and the disk did not is lost, and named as gaps; see the log of "
        "Redis for why.",
        Query(least(of_pods("feed_redis_uptime_seconds"), NAMESPACE)),
        unit=SECONDS, limits=falling(60, 600), see=[OVERVIEW],
    ),
    stat(
        "Connections",
        "Connections to Redis: four of each gateway's process, two of each worker, and others'.",
        "A number that grows: something else connects and does not close.",
        Query(most(of_pods("feed_redis_clients"), NAMESPACE)),
        unit=COUNT, limits=rising(8_000, 2_000), decimals=0, see=[GATEWAY],
    ),
    stat(
        "Cut off by Redis",
        "Clients that Redis cut off in the time shown as they did not read (client-output-buffer-limit). Redis "
        "before 8 and Valkey before 8 do not say.",
        "A gateway that is stuck or out of CPU: see Gateway, loop delay. It comes back and reads on from the logs.",
        Query(most(rose_in_all(of_pods("feed_redis_clients_cut_total")), NAMESPACE)),
        unit=COUNT, limits=EVEN_ONE, decimals=0, alerts=["FeedRedisCutsClients"], see=[GATEWAY],
    ),
    stat(
        "Evicted keys",
        "Keys that Redis dropped for room in the time shown.",
        "It must never: set maxmemory-policy to noeviction. What was dropped are logs and positions: gaps follow.",
        Query(most(rose_in_all(of_pods("feed_redis_evicted_keys_total")), NAMESPACE)),
        unit=COUNT, limits=EVEN_ONE, decimals=0, alerts=["FeedRedisEvicts"], see=[OVERVIEW],
    ),
    lines(
        "Memory",
        "What Redis takes, and its maxmemory.",
        "Logs grow to history.seconds of ticks and stay there; a slope after that is new streams, or other users.",
        Query(MEMORY, "used"),
        Query(f"{LIMIT} > 0", "maxmemory"),
        unit=BYTES, see=[INGEST],
    ),
    lines(
        "Commands",
        "Commands that Redis works off.",
        "More than a call a stream and window, and the gateways' beats: somebody else uses this Redis.",
        Query(most(rate(of_pods("feed_redis_commands_total")), NAMESPACE), "commands"),
        unit=per_s("commands"), every=MINUTE, see=[INGEST, GATEWAY],
    ),
    lines(
        "CPU",
        "Redis' share of one core.",
        "A full core makes every call wait: fewer log reads, larger batches, or a faster core.",
        Query(most(rate(of_pods("feed_redis_cpu_seconds_total")), NAMESPACE), "Redis"),
        unit=SHARE, limits=rising(0.8, 0.6), least=0, alerts=["FeedRedisCpuFull"], every=MINUTE, see=[OVERVIEW],
    ),
)  # fmt: skip


CALL: Final = of_pods("feed_bus_call_seconds_bucket")
CALLS: Final = (
    lines(
        "Calls, p50",
        "From asking Redis to its answer: publish is the script, log and directory are reads, beat is a gateway's "
        "own beat until pub/sub brings it back.",
        "publish alone: large batches. All together: Redis is busy, or the network; see CPU.",
        Query(quantile(0.5, CALL, "call"), "{{call}}"),
        unit=SECONDS, see=[OVERVIEW],
    ),
    lines(
        "Calls, p99",
        "The same, of 100 calls 99 are faster.",
        "Peaks at regular times are Redis' snapshots (fork, disk): move them to a replica, or turn them off. beat "
        "alone: a gateway's loop is late.",
        Query(quantile(0.99, CALL, "call"), "{{call}}"),
        unit=SECONDS, limits=rising(0.05, 0.02), alerts=["FeedRedisSlow"], see=[OVERVIEW],
    ),
    lines(
        "Calls a second",
        "How often Redis is asked, by what.",
        "log that stays up: clients resume in a circle, or a gateway heals again and again.",
        Query(total(rate(of_pods("feed_bus_call_seconds_count")), "call"), "{{call}}"),
        unit=per_s("calls"), see=[INGEST, GATEWAY],
    ),
)  # fmt: skip


CONNECTIONS: Final = (
    stat(
        "Connected",
        "Whether each process' connection to Redis is up: publishers are workers, subscribers are gateways.",
        "down for one: its network, or its credentials (redis.username). down for all: Redis itself. Workers hold "
        "ticks meanwhile for publish.buffer_s.",
        Query(least(of_pods("feed_bus_connected"), "role, pod"), "{{pod}} {{role}}"),
        unit=WORD, limits=falling(1), state=UP_OR_DOWN, width=8, alerts=["FeedRedisLost"], see=[OVERVIEW],
    ),
    stat(
        "Feeds live",
        "Whether some worker hears each feed's venue, as the gateways see it.",
        "See Ingest. All stale at once: workers' beats do not come through Redis.",
        Query(least(of_feeds("feed_bus_feed_live"), "feed"), "{{feed}}"),
        unit=WORD, limits=falling(1), state=LIVE_OR_STALE, width=8, alerts=["FeedStale"], see=[INGEST],
    ),
    stat(
        "Unreadable",
        "Messages and log entries in the time shown that could not be read.",
        "A worker of a newer version, or something else writes to our names in Redis. They are holes, and named.",
        Query(or_zero(total(rose_in_all(of_feeds("feed_bus_unreadable_total"))), GATEWAYS)),
        unit=COUNT, limits=EVEN_ONE, width=8, decimals=0, see=[OVERVIEW],
    ),
    lines(
        "Since Redis was heard",
        "Of each process: since its own beat came back, or an answer.",
        "1 s is the beat. At 3 s the bus counts as gone and is connected anew.",
        Query(most(of_pods("feed_bus_probe_age_seconds"), "role, pod"), "{{pod}} {{role}}"),
        unit=SECONDS, limits=rising(10, 3), alerts=["FeedRedisLost"], see=[OVERVIEW],
    ),
    lines(
        "Connections lost",
        "Connections to Redis that ended by a fault.",
        "One for each process is a restart of Redis. One process again and again: its network.",
        Query(
            or_zero(total(rose(of_pods("feed_bus_reconnects_total")), "role, pod"), GATEWAYS, "role"),
            "{{pod}} {{role}}",
        ),
        unit=COUNT, limits=worth_a_look(1), see=[OVERVIEW],
    ),
    lines(
        "Heals of a stream",
        "How often in the ten minutes before a live stream had to be read on from its log, as messages were lost "
        "between Redis and a gateway.",
        "Once with each lost connection. Without: Redis cuts gateways off, or pub/sub loses "
        "messages.",
        Query(
            f'{total(lately(of_feeds(HEALS), "10m"), "feed, pod")} / on (feed, pod) ('
            f'{total(of_feeds("feed_gateway_streams"), "feed, pod")} > 0)',
            "{{feed}} {{pod}}",
        ),
        unit=COUNT, limits=rising(3, 1), alerts=["FeedHealStorm"], see=[GATEWAY],
    ),
)  # fmt: skip


STREAMS: Final = (
    lines(
        "Workers heard",
        "Ingest workers of each feed that beat, as each gateway hears it.",
        "Gateways that differ: one of them does not hear pub/sub.",
        Query(of_feeds("feed_bus_workers"), "{{feed}} by {{pod}}"),
        unit=COUNT, see=[INGEST],
    ),
    lines(
        "Silent symbols",
        "Symbols of live feeds that no worker hears anything of.",
        "See Ingest, Connected and Silent symbols.",
        Query(of_feeds("feed_bus_silent_symbols"), "{{feed}} by {{pod}}"),
        unit=COUNT, limits=EVEN_ONE, alerts=["FeedSymbolsSilent"], see=[INGEST],
    ),
    lines(
        "Streams read",
        "Streams that each gateway reads from Redis: those that some client wants.",
        "Each costs Redis a subscription, and the log when it is healed.",
        Query(of_feeds("feed_gateway_streams"), "{{feed}} by {{pod}}"),
        unit=COUNT, see=[GATEWAY],
    ),
)  # fmt: skip


REDIS_BOARD: Final = Board(
    REDIS,
    "What Redis says of itself, how fast it answers, who has lost it, and what had to be read again.",
    (
        Row("Redis", SERVER),
        Row("Calls", CALLS),
        Row("Who reaches Redis", CONNECTIONS),
        Row("Workers and streams", STREAMS),
    ),
)
