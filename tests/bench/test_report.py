"""What a run says: figures, targets, JSON and the table."""

import json
from io import StringIO

import pytest
from rich.console import Console

from feed.bench import plot, table, targets
from feed.bench.counters import Counters, parse
from feed.bench.outcome import KEYS, Outcome, figure, report

METRICS = """\
feed_gateway_messages_out_total{feed="sim"} 10.0
feed_gateway_messages_out_total{feed="other"} 5.0
feed_gateway_flush_seconds_count{feed="sim"} 3.0
feed_hop_delay_seconds_bucket{feed="sim",hop="publish_to_socket",le="0.001"} 2.0
feed_hop_delay_seconds_bucket{feed="sim",hop="publish_to_socket",le="+Inf"} 4.0
feed_hop_delay_seconds_bucket{feed="sim",hop="venue_to_ingest",le="0.001"} 9.0
"""


def hot(ratio: float) -> Outcome:
    outcome = Outcome("hot", "one symbol, many clients", clients=500, ticks_per_s=200, rounds=3)
    outcome.put("deliveries_per_s", [99_000, 100_000, 101_000])
    outcome.put("cpu_us_per_delivery", [4.0, 5.0, 4.5])
    outcome.put("floor_us_per_delivery", [3.0, 3.0, 3.0])
    outcome.put("over_floor_ratio", [ratio])
    outcome.put("delay_ms.p50", [2.0])
    outcome.put("counted_over_reported", [1.0])
    return outcome


def printed(*outcomes: Outcome) -> str:
    out = StringIO()
    table.show(Console(file=out, width=80), {"cpu": "any"}, outcomes)
    return out.getvalue()


def test_a_figure_is_the_median_with_its_spread() -> None:
    assert figure([3.0, None, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert figure([None]) is None


@pytest.mark.parametrize(("ratio", "word"), [(1.5, "met"), (1.51, "missed")])
def test_a_target_is_met_or_missed_in_words(ratio: float, word: str) -> None:
    assert f"{ratio:.2f} x {word}" in printed(hot(ratio))
    judged = targets.judged({"hot": hot(ratio)})
    assert next(one for one in judged if one["figure"] == "over_floor_ratio")["met"] is (word == "met")
    assert next(one for one in judged if one["figure"] == "over_tutorial_ratio")["met"] is None


def test_what_was_left_out_and_what_is_doubtful_is_said() -> None:
    doubtful = hot(1.0)
    doubtful.warnings.append("noise")
    said = printed(doubtful, Outcome("real", "", skipped="no recordings given"))
    assert "hot: noise" in said
    assert "real: left out: no recordings given" in said
    assert "4.50 (4..5)" in said


def test_json_has_every_key_and_null_where_there_is_nothing() -> None:
    told = json.loads(json.dumps(report({"cpu": "any"}, [hot(1.4)], targets.judged({"hot": hot(1.4)}))))
    (scenario,) = told["scenarios"]
    assert {key.partition(".")[0] for key in KEYS} <= scenario.keys()
    assert scenario["cpu_us_per_delivery"] == 4.5
    assert scenario["delay_ms"] == {"p50": 2.0, "p99": None, "p999": None}
    assert scenario["tutorial_us_per_delivery"] is None
    assert scenario["spread"]["cpu_us_per_delivery"] == [4.0, 5.0]
    assert told["targets"][0]["met"] is True


def test_counters_are_of_all_feeds() -> None:
    before = parse("")
    found = parse(METRICS).since(before)
    assert isinstance(found, Counters)
    assert (found.messages, found.flushes) == (15.0, 3.0)
    assert found.hop == {0.001: 2.0, float("inf"): 4.0}


@pytest.mark.parametrize(
    ("value", "text"), [(4.5, "4.50"), (0.123, "0.12"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,234"), (7.0, "7")]
)
def test_numbers_have_three_digits_that_matter(value: float, text: str) -> None:
    assert table.number(value) == text


def test_the_picture_has_the_whole_tail() -> None:
    delays = [float(number) for number in range(1, 10_001)]
    x, y = plot.complement(delays)
    assert len(x) < 5_000
    assert x[-1000:] == delays[-1000:]
    assert y[0] == pytest.approx(0.9999)
    assert y[-2] == pytest.approx(0.0001)
