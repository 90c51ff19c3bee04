"""The operator's tab does sums as Prometheus does."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feed.metrics import DELAY_BUCKETS
from tests.browser.operator_told import Run, body, counter, cumulated, gauge, modules, spread


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    with modules(browser) as evaluate:
        yield evaluate


SPREADS = {
    "one bucket": spread(b20=1_000),
    "two": spread(b12=990, b30=10),
    "many": [float(n * 7 % 13) for n in range(len(DELAY_BUCKETS) + 1)],
    "negative": spread(b1=3, b3=50, b5=40, b6=7),
    "all below the lowest": spread(b0=10),
    "beyond the highest": spread(b10=5, b38=5),
    "at a bound": spread(b10=50, b20=50),
    "nothing": spread(),
}  # fmt: skip
SHARES = (0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0)


def prometheus_own(folder: Path) -> dict[tuple[str, float], float | None]:
    """What promtool says that histogram_quantile is, of each spread and share."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on the PATH: quantiles are not compared with Prometheus' own")
    series = [
        {
            "series": f'spread_bucket{{of="{name}",le="{"+Inf" if bound is None else bound}"}}',
            "values": f"{count:g}",
        }
        for name, counts in SPREADS.items()
        for bound, count in cumulated(counts)
    ]
    found: dict[tuple[str, float], float | None] = {}
    for share in SHARES:
        # promtool prints what it got where it expected something else
        test = {"expr": f"histogram_quantile({share:g}, spread_bucket)", "eval_time": "0m", "exp_samples": []}
        path = folder / "quantiles.yml"
        path.write_text(json.dumps({"tests": [{"input_series": series, "promql_expr_test": [test]}]}))
        done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True)
        got = (done.stdout + done.stderr).partition("got: ")[2]
        for name in SPREADS:
            _, _, rest = got.partition(f'{{of="{name}"}} ')
            assert rest, f"promtool says nothing of {name}: {done.stdout}{done.stderr}"
            value = float(re.split(r"[,\s]", rest)[0])
            found[name, share] = None if math.isnan(value) else value
    return found


def test_quantiles_are_those_of_prometheus(run: Run, tmp_path: Path) -> None:
    expected = prometheus_own(tmp_path)
    assert len({value for value in expected.values() if value is not None}) > 15
    buckets = {name: cumulated(counts) for name, counts in SPREADS.items()}
    for (name, share), value in expected.items():
        found = run(
            "numbers.quantile(given.share, given.buckets.map(([bound, count]) => [bound ?? Infinity, count]))",
            {"share": share, "buckets": buckets[name]},
        )
        if value is None:
            assert found is None, (name, share)
        else:
            assert found == pytest.approx(value, rel=1e-9), (name, share)


LOOKS = "((looks) => { for (const body of given) looks.take(body); return %s; })(new numbers.Looks(['c_total', 'g']))"


@pytest.mark.parametrize(
    ("values", "risen"),
    [
        ([5], None),
        ([5, 7], 2),
        ([5, 7, 7, 10], 5),
        ([5, 7, 3, 4], 3),  # one that fell lost a part of itself
    ],
)
def test_what_rose(run: Run, values: list[float], risen: float | None) -> None:
    bodies = [body(at, counter("c", value, feed="sim")) for at, value in enumerate(values)]
    assert run(LOOKS % "looks.rise('c_total')", bodies) == risen
    rate = run(LOOKS % "looks.rate('c_total')", bodies)
    assert rate == (None if risen is None else pytest.approx(risen / (len(values) - 1)))


def test_a_series_that_appears_rose_from_zero_and_is_told_by_its_label(run: Run) -> None:
    bodies = [body(0), body(1, counter("c", 3, cause="bus")), body(2, counter("c", 4, cause="bus"))]
    assert run(LOOKS % "[...looks.riseBy('c_total', 'cause')]", bodies) == [["bus", 4]]


def test_other_processes_and_long_pauses_are_not_compared(run: Run) -> None:
    grown = [
        body(0, counter("c", 5)),
        body(1, counter("c", 500), who=("a", "b")),
        body(2, counter("c", 501), who=("a", "b")),
    ]
    assert run(LOOKS % "looks.rise('c_total')", grown) == 1
    muted = [body(0, counter("c", 500)), body(1, numbers=False), body(2, counter("c", 500))]
    assert run(LOOKS % "looks.rise('c_total')", muted) is None
    paused = [body(0, counter("c", 5)), body(60, counter("c", 500)), body(61, counter("c", 502))]
    assert run(LOOKS % "looks.rise('c_total')", paused) == 2


def test_what_is_older_than_asked_for_is_left_out_and_memory_is_bounded(run: Run) -> None:
    bodies = [body(at, counter("c", 2 * at)) for at in range(200)]
    assert run(LOOKS % "looks.rise('c_total')", bodies) == 120
    assert run(LOOKS % "looks.rate('c_total', undefined, 10)", bodies) == pytest.approx(2)
    assert run(LOOKS % "looks.spread('c').length", bodies) == 60


def test_an_answer_that_is_old_counts_from_when_it_was_given(run: Run) -> None:
    bodies = [body(0, counter("c", 0)), body(1.5, counter("c", 10), age_s=0.5)]
    assert run(LOOKS % "looks.rate('c_total')", bodies) == pytest.approx(10)


def test_levels_are_the_last_ones(run: Run) -> None:
    bodies = [body(0, gauge("g", 1, feed="sim")), body(1, gauge("g", 2, feed="sim"))]
    assert run(LOOKS % "looks.levels('g')", bodies) == [{"labels": {"feed": "sim"}, "value": 2}]
