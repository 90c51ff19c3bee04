"""Every expression of every dashboard, asked of a real Prometheus that scrapes a process where everything happened."""

from pathlib import Path

from tests.observed.asking import DASHBOARDS, all_of, ask, recording
from tests.observed.made_up import told
from tests.observed.prometheus import Prometheus, Target

ALWAYS = 'groups: [{name: made up, rules: [{alert: Always, expr: "vector(1)"}]}]'


def test_each_expression_shows_what_happens_once_a_year(tmp_path: Path) -> None:
    """A process that tells each metric leaves no panel without a value, and none to its 0."""
    always = tmp_path / "always.yml"
    always.write_text(ALWAYS)
    with told() as address:
        targets = [Target("gateway", "made-up", address)]
        with Prometheus(tmp_path, targets, [*recording(tmp_path), always], every_s=0.25) as prometheus:
            asked = ask(prometheus, window_s=1.5)

            def lacking() -> list[object]:
                results = {name: all_of(dashboard, asked) for name, dashboard in DASHBOARDS.items()}
                return [
                    (name, result[2:])
                    for name, result in results.items()
                    if result.errors or result.empty or result.never
                ]

            prometheus.until(lambda: not lacking(), "each expression brings something", lacking)
