"""What is told from an expression's text."""

import pytest

from tests.observed.expressions import alerts, known, made_labels, said, substituted, variables

TABLE = [
    ("up", {"up": set()}, set()),
    ('sum by (pod) (rate(a_total{feed="x",how!="y"}[5m]))', {"a_total": {"feed", "how"}}, {"pod"}),
    ('a:b:sum{feed=~"$feed"} / on (namespace, pod) c', {"a:b:sum": {"feed"}, "c": set()}, {"namespace", "pod"}),
    ("histogram_quantile(0.99, sum by (le, feed) (rate(d_bucket[1m])))", {"d_bucket": set()}, {"le", "feed"}),
    ('a or on () label_replace(0 * max(b{pod="p"}), "cause", "none", "", "")', {"a": set(), "b": {"pod"}}, set()),
    ('1 - a{x="max(y)"} > 0 and time() > 1e-9', {"a": {"x"}}, set()),
]


@pytest.mark.parametrize(("expression", "asked", "grouped"), TABLE)
def test_metrics_and_labels_are_found(expression: str, asked: dict[str, set[str]], grouped: set[str]) -> None:
    found = said(expression)
    assert {name: set(labels) for name, labels in found.asked} == asked
    assert found.grouped == grouped


def test_labels_that_are_made() -> None:
    assert made_labels('a or on () label_replace(0 * max(b{p="q"}), "cause", "none", "", "")') == {"cause"}
    assert made_labels('sum(a{cause="b"})') == frozenset()


def test_grafanas_variables_are_replaced() -> None:
    asked = 'rate(a{pod=~"$pod",feed=~"${feed}"}[$__rate_interval]) / increase(a[$__range])'
    sent = substituted(asked, "20s", "3600s", {"feed": "sim"})
    assert sent == 'rate(a{pod=~".*",feed=~"sim"}[20s]) / increase(a[3600s])'
    assert variables(asked) == {"pod", "feed"}


def test_the_table_of_metrics_is_read() -> None:
    assert known()["feed_gateway_gaps_total"] == {"feed", "cause"}
    assert known()["feed_hop_delay_seconds_bucket"] == {"feed", "hop", "le"}
    assert "feed_hop_delay_seconds" not in known()


def test_alerts_are_read() -> None:
    assert alerts()["FeedDelayBurnsFast"].endswith("> 6 * 0.01)")
