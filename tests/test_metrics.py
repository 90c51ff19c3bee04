"""Every metric has what its readers rely on, and feed/METRICS.md is true."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Gauge
from prometheus_client.core import Metric

from feed import metrics
from feed.exposition import Across, rule, snapshot
from feed.metrics import DELAY_BUCKETS, HOPS
from feed.tally import Children

DOCUMENT = (Path(metrics.__file__).parent / "METRICS.md").read_text()
SUFFIX = {"counter": "_total", "info": "_info"}


def declared() -> dict[str, tuple[Metric, tuple[str, ...]]]:
    """Name as it is scraped to family and labels, of all that feed.metrics declares."""
    found = {}
    for what in vars(metrics).values():
        if isinstance(what, Children):
            (family,), labels = what.describe(), what.label_names
        elif hasattr(what, "_labelnames"):
            (family,), labels = what.describe(), tuple(what._labelnames)
        else:
            continue
        found[family.name + SUFFIX.get(family.type, "")] = (family, labels)
    return found


def rows() -> list[tuple[str, ...]]:
    return [tuple(found) for found in re.findall(r"^\| `(feed_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", DOCUMENT, re.M)]


def test_the_document_has_exactly_these_metrics() -> None:
    wanted = {
        (name, family.type, ", ".join(f"`{label}`" for label in labels), family.documentation)
        for name, (family, labels) in declared().items()
    }
    assert set(rows()) == wanted
    assert len(rows()) == len(wanted)


@pytest.mark.parametrize("name", sorted(declared()))
def test_a_name_is_prometheus_own_style(name: str) -> None:
    family, labels = declared()[name]
    assert name.startswith("feed_")
    assert family.documentation.endswith(".")
    assert not {"le", "quantile", "job", "instance", "pod", "namespace"} & set(labels)
    # a label whose values clients or venues make up has no bound
    assert not {"client", "connection", "key", "address"} & set(labels)
    assert ("symbol" in labels) == name.startswith("feed_symbol_")


def test_each_hop_is_explained() -> None:
    assert re.findall(r"^\| `(\w+_\w+)` \| `t", DOCUMENT, re.M) == list(HOPS)


def test_the_objective_of_the_delay_is_a_bucket() -> None:
    assert 0.1 in DELAY_BUCKETS
    assert list(DELAY_BUCKETS) == sorted(DELAY_BUCKETS)


def test_every_gauge_says_how_it_is_joined_over_workers() -> None:
    gauges = {family.name for family, _ in declared().values() if family.type == "gauge"}
    assert gauges <= metrics.ACROSS_WORKERS.keys()
    families = {family.name for family, _ in declared().values()}
    assert {name for name in metrics.ACROSS_WORKERS if name.startswith("feed_")} <= families


def test_what_is_no_gauge_is_summed_unless_each_process_tells_the_same() -> None:
    for family in snapshot(REGISTRY):
        if family.name.startswith("feed_") and family.kind not in ("gauge", "info"):
            of_redis = family.name.startswith("feed_redis_")
            assert rule(family, metrics.ACROSS_WORKERS) is (Across.MOST if of_redis else Across.SUM)


def test_no_gauge_of_one_role_shows_in_another() -> None:
    """A gauge of prometheus-client without labels says 0 in every process, also where it means nothing."""
    assert not [what for what in vars(metrics).values() if isinstance(what, Gauge) and not what._labelnames]
