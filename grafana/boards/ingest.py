"""Ingest: what the workers hear of their venues, and what becomes of it on the way into Redis."""

from typing import Final

from grafana.boards.board import GATEWAY, INGEST, OVERVIEW, REDIS, Board, Row
from grafana.boards.limits import EVEN_ONE, UP_OR_DOWN, falling, rising, worth_a_look
from grafana.boards.panel import BYTES, BYTES_PER_S, COUNT, SECONDS, SHARE, WORD, lines, per_s, stat
from grafana.boards.query import (
    WORKERS,
    Query,
    hop,
    lately,
    most,
    of_feeds,
    of_pods,
    of_workers,
    or_zero,
    quantile,
    rate,
    rose,
    rose_in_all,
    total,
)

EACH: Final = "{{feed}} {{pod}}"


VENUE: Final = (
    stat(
        "Connected",
        "Whether all of a worker's connections to its venue are up.",
        "down: Reconnects says why. connect and handshake: the way there, or the venue refuses this address; "
        "stale: it sends nothing. Clients are served by the other worker as long as there is one.",
        Query(of_feeds("feed_ingest_connected"), EACH),
        unit=WORD, limits=falling(1), state=UP_OR_DOWN, width=6, alerts=["FeedVenueDisconnected"], see=[OVERVIEW],
    ),
    stat(
        "Silent symbols",
        "Symbols whose connection is down or brought nothing.",
        "If its peer hears them, it is this worker's connection. If no one does, it is the venue, or the symbol is no "
        "longer traded: see binance.symbols.",
        Query(of_feeds("feed_ingest_silent_symbols"), EACH),
        unit=COUNT, limits=EVEN_ONE, width=6, decimals=0, see=[OVERVIEW],
    ),
    stat(
        "Symbols",
        "Symbols that each worker is told to read.",
        "Workers of one feed must be told the same: a symbol that only one of them reads has no spare.",
        Query(of_feeds("feed_ingest_symbols"), EACH),
        unit=COUNT, width=6, decimals=0, see=[OVERVIEW],
    ),
    stat(
        "Parse errors",
        "Frames of the venue in the time shown that made no sense, by what was wrong.",
        "The venue changed its format: the log has the first frame of each kind (venue_frame_refused). What "
        "could be read goes on; a parser needs mending.",
        Query(
            or_zero(total(rose_in_all(of_feeds("feed_ingest_parse_errors_total")), "what"), WORKERS, "what"),
            "{{what}}",
        ),
        unit=COUNT, limits=rising(10, 1), width=6, decimals=0, alerts=["FeedVenueParseErrors"], see=[OVERVIEW],
    ),
    lines(
        "Age of the last tick",
        "How long ago each worker read its last tick, or was started.",
        "After ingest.stale_after_s the connection is made anew. One worker that rises while its peer does not "
        "has a dead connection; all of a feed: the venue, or the market is closed.",
        Query(of_feeds("feed_ingest_last_tick_age_seconds"), EACH),
        unit=SECONDS, limits=rising(30, 5), see=[OVERVIEW],
    ),
    lines(
        "Reconnects",
        "Connections to venues that ended in the 15 minutes before, by reason.",
        "Once a day is the venue's habit. More: stale is silence, lost and closed are the line or the venue, "
        "handshake is a refusal (an address that came too often is banned: stop the worker for a while).",
        Query(
            or_zero(
                total(lately(of_feeds("feed_ingest_reconnects_total"), "15m"), "feed, pod, reason"), WORKERS, "reason"
            ),
            "{{feed}} {{pod}} {{reason}}",
        ),
        unit=COUNT, limits=rising(5, 1), alerts=["FeedVenueReconnects"], see=[OVERVIEW],
    ),
    lines(
        "Odd numbers and late trades",
        "Numbers that a double does not hold exactly, and trades that came after their bar was published.",
        "inexact: prices with more than 15 digits: tell clients that need them. late: the venue's times trail by "
        "more than ingest.bar_grace_s: raise it, bars come as much later.",
        Query(or_zero(total(rose(of_feeds("feed_ingest_inexact_total")), "feed"), WORKERS, "feed"),
              "{{feed}} inexact"),
        Query(or_zero(total(rose(of_feeds("feed_ingest_late_trades_total")), "feed"), WORKERS, "feed"),
              "{{feed}} late"),
        unit=COUNT, limits=worth_a_look(1), see=[OVERVIEW],
    ),
)  # fmt: skip


TICKS: Final = (
    lines(
        "Ticks read",
        "Ticks that workers made of what they read, by kind. Two workers of a feed read everything twice.",
        "A kind that falls to nothing while others go on: the venue's channel, see Parse errors. All: see "
        "Connected.",
        Query(total(rate(of_feeds("feed_ingest_ticks_total")), "feed, kind"), "{{feed}} {{kind}}"),
        unit=per_s("ticks"), see=[OVERVIEW],
    ),
    lines(
        "Frames",
        "WebSocket frames that each worker reads.",
        "Frames without ticks: what they say is not understood, or is not asked for: see Parse errors.",
        Query(total(rate(of_feeds("feed_ingest_frames_total")), "feed, pod"), EACH),
        unit=per_s("frames"), see=[OVERVIEW],
    ),
    lines(
        "Bytes",
        "Bytes of frames that each worker reads.",
        "Near what the line can carry, delays from the venue rise: spread the symbols over workers elsewhere.",
        Query(total(rate(of_feeds("feed_ingest_bytes_total")), "feed, pod"), EACH),
        unit=BYTES_PER_S, see=[OVERVIEW],
    ),
)  # fmt: skip


FULL: Final = (
    f"{of_feeds('feed_publish_buffered_bytes')} / on (namespace, pod, feed) "
    f"{of_feeds('feed_publish_buffer_limit_bytes')}"
)
PUBLISHING: Final = (
    lines(
        "Published",
        "Ticks that each worker appended to streams: of two workers the one that is ahead.",
        "0 for all workers of a feed while ticks are read: Redis does not answer, see Calls and Oldest that waits.",
        Query(total(rate(of_feeds("feed_publish_ticks_total")), "feed, pod"), EACH),
        unit=per_s("ticks"), see=[REDIS],
    ),
    lines(
        "Calls",
        "Calls of the publish script, by Redis' answer: ok; behind: a peer has what is missing here, and is given "
        "time; stale: an answer was late, the call had been repeated.",
        "behind for long: this worker has a hole that its peer does not fill: see Gaps. stale: Redis is slow, or "
        "two workers have the same ingest.worker_id.",
        Query(total(rate(of_feeds("feed_publish_calls_total")), "feed, answer"), "{{feed}} {{answer}}"),
        unit=per_s("calls"), see=[REDIS],
    ),
    lines(
        "Ticks of a call",
        "How many ticks go in one call: 1 when it is quiet, more under load. p50 and p99.",
        "At publish.max_ticks_per_call for long: a backlog is being worked off, or Redis is the bottleneck.",
        *(
            Query(quantile(q, of_feeds("feed_publish_batch_ticks_bucket"), "feed"), f"{{{{feed}}}} p{q * 100:g}")
            for q in (0.5, 0.99)
        ),
        unit=COUNT, see=[REDIS],
    ),
    lines(
        "Duplicates",
        "Ticks that a peer had published already: with two workers every tick is one, of the second.",
        "0 with two workers: one of them reads nothing, see Connected. That is redundancy lost, not ticks.",
        Query(total(rate(of_feeds("feed_publish_duplicates_total")), "feed, pod"), EACH),
        unit=per_s("ticks"), see=[OVERVIEW],
    ),
    lines(
        "Gaps and drops",
        "In-band gaps that were published, by cause, and ticks that were dropped as the buffer was full.",
        "venue: the venue skipped ids, or all workers were away. ingest and dropped: Redis was away for longer "
        "than the buffer lasts. Clients are told; nothing brings the ticks back.",
        Query(
            or_zero(total(rose(of_feeds("feed_publish_gaps_total")), "feed, cause"), WORKERS, "cause"),
            "{{feed}} gaps {{cause}}",
        ),
        Query(or_zero(total(rose(of_feeds("feed_publish_dropped_total")), "feed"), WORKERS, "feed"),
              "{{feed}} dropped"),
        unit=COUNT, limits=EVEN_ONE, alerts=["FeedTicksDropped"], see=[OVERVIEW, REDIS],
    ),
    lines(
        "Buffer",
        "How full the buffer is that holds ticks while Redis is away (publish.buffer_bytes).",
        "At 100 % the oldest ticks become a gap. Bring Redis back before; see Redis and bus.",
        Query(FULL, EACH),
        unit=SHARE, limits=rising(0.5, 0.25), least=0, alerts=["FeedPublishBacklog"], see=[REDIS],
    ),
    lines(
        "Oldest that waits",
        "Age of the oldest tick that waits for Redis.",
        "Some ms is health. Seconds: Redis does not answer: see Redis and bus. At publish.buffer_s it is given up.",
        Query(of_feeds("feed_publish_oldest_seconds"), EACH),
        unit=SECONDS, limits=rising(10, 1), alerts=["FeedPublishBacklog"], see=[REDIS],
    ),
)  # fmt: skip


FROM_VENUE: Final = hop("venue_to_ingest")
HOPS: Final = (
    lines(
        "Venue to ingest",
        "From the venue's own time to when the worker read the frame, the difference of the clocks included.",
        "Up for one worker: its line, or its machine is busy. Up for all: the venue. Below 0: clocks, see below.",
        *(Query(quantile(q, FROM_VENUE, "feed"), f"{{{{feed}}}} p{q * 100:g}") for q in (0.5, 0.99, 0.999)),
        unit=SECONDS, limits=rising(1, 0.5), alerts=["FeedVenueSlow"], see=[OVERVIEW],
    ),
    lines(
        "Ingest to publish",
        "From when the worker read the frame to its publish call.",
        "Some ms at most: publish.window_s, and the call before. More: Redis answers late, or the worker's core is "
        "full: see Loop delay.",
        *(
            Query(quantile(q, hop("ingest_to_publish"), "feed"), f"{{{{feed}}}} p{q * 100:g}")
            for q in (0.5, 0.99, 0.999)
        ),
        unit=SECONDS, limits=rising(0.1, 0.05), alerts=["FeedHopSlow"], see=[OVERVIEW, REDIS],
    ),
    lines(
        "Clocks",
        "How far the clocks of a hop are apart at least: its most negative delay of the last minute.",
        "Ours may differ by 10 ms, a venue's from ours by 2 s. Mend the time service of the machine that runs behind.",
        Query(most(of_feeds("feed_hop_clock_offset_seconds"), "feed, hop"), "{{feed}} {{hop}}"),
        unit=SECONDS, limits=rising(2, 0.01), alerts=["FeedClockOffset"], see=[OVERVIEW, GATEWAY],
    ),
    lines(
        "Delays below zero",
        "Ticks whose later stamp was before the earlier one, of all hops.",
        "As for Clocks: few are jitter about a delay of nearly nothing; all of a hop are two clocks.",
        Query(total(rate(of_feeds("feed_hop_negative_total")), "feed, hop"), "{{feed}} {{hop}}"),
        unit=per_s("ticks"), see=[OVERVIEW],
    ),
)  # fmt: skip


PROCESSES: Final = (
    lines(
        "Loop delay, p99",
        "How late a worker's event loop comes to a timer: what every tick waits for at times.",
        "Above 50 ms the core is full or shared: see CPU. Give the worker fewer symbols, or a core of its own.",
        Query(of_workers(quantile(0.99, of_pods("feed_loop_delay_seconds_bucket"), "namespace, pod")), "{{pod}}"),
        unit=SECONDS, limits=rising(0.1, 0.05), alerts=["FeedLoopLate"], see=[OVERVIEW],
    ),
    lines(
        "CPU",
        "Share of one core that each worker takes.",
        "A worker is one thread: at 100 % it falls behind. Split its symbols over two.",
        Query(of_workers(total(rate(of_pods("process_cpu_seconds_total")), "namespace, pod")), "{{pod}}"),
        unit=SHARE, limits=rising(0.9, 0.7), least=0, see=[OVERVIEW],
    ),
    lines(
        "Memory",
        "Resident memory of each worker.",
        "It grows by publish.buffer_bytes while Redis is away, and by nothing else: a slope for days is a leak.",
        Query(of_workers(total(of_pods("process_resident_memory_bytes"), "namespace, pod")), "{{pod}}"),
        unit=BYTES, least=0, see=[OVERVIEW],
    ),
)  # fmt: skip


INGEST_BOARD: Final = Board(
    INGEST,
    "Per venue and worker: what is heard, what is published, what waits, and how late it is.",
    (
        Row("The venue", VENUE),
        Row("Ticks", TICKS),
        Row("Publishing", PUBLISHING),
        Row("Delays", HOPS),
        Row("Processes", PROCESSES),
    ),
)
