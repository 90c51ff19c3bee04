"""What is promised, how much of each promise's budget is used up, and how fast."""

from typing import Final

from grafana.boards.board import GATEWAY, INGEST, REDIS
from grafana.boards.limits import little_left, rising
from grafana.boards.panel import SHARE, lines, stat
from grafana.boards.query import Query, of_rules

# What each promise allows to be missed, in 30 days.
COMPLETENESS: Final = 0.0001
FRESHNESS: Final = 0.001
DELAY: Final = 0.01
# So many times that, and the month's budget is gone in two days: somebody is woken.
FAST: Final = 14.4
HOUR: Final = "{{feed}} last hour"
FIVE_MINUTES: Final = "{{feed}} last 5 min"

BUDGETS: Final = tuple(
    stat(
        f"{promise} budget left",
        f"What is left of what the promise of {promise.lower()} allows to be missed in 30 days: 100 % is all of it, "
        "below 0 it is broken. A Prometheus that is younger knows only its own days.",
        f"See the graph {graph} when it was used up, and what the alerts of those hours say.",
        Query(of_rules(f"namespace_feed:{promise.lower()}_budget:left30d"), "{{feed}}"),
        unit=SHARE, limits=little_left(0.25), decimals=1, width=8, see=[GATEWAY],
    )
    for promise, graph in (("Completeness", "Not delivered"), ("Freshness", "Not fresh"), ("Delay", "Not in time"))
)  # fmt: skip

PROMISES: Final = (
    *BUDGETS,
    lines(
        "Not delivered",
        "Of what clients were due, the share that they were told is missing. Promised: 0.01 % of 30 days at most.",
        "Above the red line for an hour the month's budget lasts two days. See Gaps for the cause.",
        Query(of_rules("namespace_feed:incomplete:ratio1h"), HOUR),
        Query(of_rules("namespace_feed:incomplete:ratio5m"), FIVE_MINUTES),
        unit=SHARE, limits=rising(FAST * COMPLETENESS, COMPLETENESS), least=0,
        alerts=["FeedCompletenessBurnsFast", "FeedCompletenessBurnsSlowly"], see=[GATEWAY],
    ),
    lines(
        "Not fresh",
        "Share of its clients' time in which a feed was stale, lacked symbols, or the bus was lost. Promised: 0.1 % of "
        "30 days at most.",
        "As above: see Feeds live and Silent symbols, and on Redis and bus who has lost it.",
        Query(of_rules("namespace_feed:stale:ratio1h"), HOUR),
        Query(of_rules("namespace_feed:stale:ratio5m"), FIVE_MINUTES),
        unit=SHARE, limits=rising(FAST * FRESHNESS, FRESHNESS), least=0,
        alerts=["FeedFreshnessBurnsFast", "FeedFreshnessBurnsSlowly"], see=[INGEST, REDIS],
    ),
    lines(
        "Not in time",
        "Share of deliveries that were written more than 0.1 s after publishing. Promised: 1 % of 30 days at most.",
        "As above: see the hops' p99 which of them it is.",
        Query(of_rules("namespace_feed:late:ratio1h"), HOUR),
        Query(of_rules("namespace_feed:late:ratio5m"), FIVE_MINUTES),
        unit=SHARE, limits=rising(FAST * DELAY, DELAY), least=0,
        alerts=["FeedDelayBurnsFast", "FeedDelayBurnsSlowly"], see=[GATEWAY],
    ),
)  # fmt: skip
