"""The real Prometheus of these tests: what it scrapes, what it refuses, and alerts that begin and end."""

from pathlib import Path

import pytest

from tests.observed.made_up import told
from tests.observed.prometheus import Prometheus, QueryError, Target

RULE = """
groups:
  - name: made up
    rules:
      - record: pod:feed_gateway_ready:max
        expr: max by (pod) (feed_gateway_ready)
      - alert: Gone
        expr: up == 0
"""


@pytest.mark.chaos
def test_what_is_scraped_is_answered_and_who_is_gone_is_told(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULE)
    with told() as first, told() as second:
        targets = [Target("gateway", "one", first), Target("ingest", "two", second)]
        with Prometheus(tmp_path, targets, [rules], every_s=0.2) as prometheus:
            assert {series.labels["pod"] for series in prometheus.query("up == 1")} == {"one", "two"}
            assert prometheus.value('feed_gateway_ready{namespace="local",pod="one",job="gateway"}') == 1
            assert prometheus.value('feed_gateway_ready{pod="three"}') is None
            with pytest.raises(ValueError, match="2 series"):
                prometheus.value("up")
            with pytest.raises(QueryError, match="parse error"):
                prometheus.query("sum(")
            prometheus.until(lambda: prometheus.value('pod:feed_gateway_ready:max{pod="two"}'), "rules are worked off")
            rising = 'feed_publish_ticks_total{pod="one",feed="sim"}'
            prometheus.until(lambda: (prometheus.value(f"rate({rising}[2s])") or 0) > 0, "a counter rises")
            now_s = prometheus.query("up")[0].values[0][0]
            (over_time,) = prometheus.query_range(rising, now_s - 1, now_s, 0.25)
            assert [value for _, value in over_time.values] == sorted(value for _, value in over_time.values)
            assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
            assert prometheus.alerts() == []
            prometheus.reload(targets=[*targets, Target("ingest", "three", "127.0.0.1:9")])
            prometheus.until(prometheus.alerts, "the alert fires")
            assert {alert["labels"]["pod"] for alert in prometheus.alerts()} == {"three"}
            with pytest.raises(AssertionError, match="never: each target"):
                prometheus.until(lambda: False, "each target is up", timeout_s=0)
            prometheus.reload(targets=targets)
            prometheus.until(lambda: not prometheus.alerts(), "the alert ends")
            rules.write_text("groups: [{name: x, rules: [{record: a, expr: (}]}]")
            with pytest.raises(QueryError, match="500"):
                prometheus.reload()
