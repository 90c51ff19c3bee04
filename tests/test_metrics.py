"""Every metric has what its readers rely on."""

from prometheus_client import REGISTRY, Gauge

from feed import metrics
from feed.exposition import Across, rule, snapshot


def test_every_gauge_says_how_it_is_joined_over_workers() -> None:
    ours = [family for family in snapshot(REGISTRY) if family.name.startswith("feed_")]
    gauges = {family.name for family in ours if family.kind == "gauge"}
    declared = {what.describe()[0].name for what in vars(metrics).values() if isinstance(what, Gauge)}
    assert declared <= gauges
    assert gauges == {name for name in metrics.ACROSS_WORKERS if name.startswith("feed_")}


def test_what_is_no_gauge_is_summed() -> None:
    for family in snapshot(REGISTRY):
        if family.name.startswith("feed_") and family.kind not in ("gauge", "info"):
            assert rule(family, metrics.ACROSS_WORKERS) is Across.SUM
