"""PromQL in the words that all panels share: one way to select, to count, to rate and to take a quantile."""

from typing import Final, NamedTuple

GAPS: Final = "feed_gateway_gaps_total"
MISSING: Final = "feed_gateway_missing_ticks_total"
SLOW: Final = "feed_gateway_slow_clients_total"
HEALS: Final = "feed_bus_heals_total"
RESTARTS: Final = "feed_gateway_worker_restarts_total"

PODS: Final = 'namespace=~"$namespace",pod=~"$pod"'
FEEDS: Final = f'{PODS},feed=~"$feed"'

GATEWAYS: Final = f"feed_gateway_ready{{{PODS}}}"
WORKERS: Final = f"feed_ingest_connected{{{FEEDS}}}"


class Query(NamedTuple):
    """One target of a panel. `now` asks for the last value only, `exemplars` for samples of single ticks too."""

    expr: str
    legend: str = ""
    now: bool = False
    exemplars: bool = False


def of_pods(metric: str, *more: str) -> str:
    """The series of what has no feed; `more` are matchers."""
    return _of(metric, PODS, more)


def of_rules(metric: str, *more: str) -> str:
    """Of recording rules that put all pods together."""
    return _of(metric, 'namespace=~"$namespace",feed=~"$feed"', more)


def of_feeds(metric: str, *more: str) -> str:
    return _of(metric, FEEDS, more)


def rate(series: str) -> str:
    return f"rate({series}[$__rate_interval])"


def rose(series: str) -> str:
    """By how much in each step of a graph."""
    return f"increase({series}[$__rate_interval])"


def lately(series: str, window: str) -> str:
    """By how much in a window of its own, as an alert's."""
    return f"increase({series}[{window}])"


def rose_in_all(series: str) -> str:
    """By how much in the whole time that the dashboard shows."""
    return f"increase({series}[$__range])"


def total(values: str, by: str = "") -> str:
    return f"sum by ({by}) ({values})" if by else f"sum({values})"


def most(values: str, by: str = "") -> str:
    return f"max by ({by}) ({values})" if by else f"max({values})"


def least(values: str, by: str = "") -> str:
    return f"min by ({by}) ({values})" if by else f"min({values})"


def quantile(share: float, buckets: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) ({rate(buckets)}))"


def hop(name: str, *more: str) -> str:
    """Buckets of one hop."""
    return of_feeds("feed_hop_delay_seconds_bucket", f'hop="{name}"', *more)


def or_zero(values: str, told_by: str, label: str = "", word: str = "none") -> str:
    """What never happened has no series: 0 in its place, but only while somebody is there to tell. Of values that are
    apart by a label, that label is the word."""
    zero = f"0 * max({told_by})"
    return f"{values} or on () " + (f'label_replace({zero}, "{label}", "{word}", "", "")' if label else f"({zero})")


def of_gateways(values: str) -> str:
    """Only those of pods that are gateways: for what every process tells."""
    return f"{values} and on (namespace, pod) {GATEWAYS}"


def of_workers(values: str) -> str:
    """Only those of pods that are ingest workers."""
    return f"{values} and on (namespace, pod) {WORKERS}"


def _of(metric: str, matchers: str, more: tuple[str, ...]) -> str:
    return f"{metric}{{{','.join((matchers, *more))}}}"
