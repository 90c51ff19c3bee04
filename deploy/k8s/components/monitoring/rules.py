"""Makes rules.yaml of deploy/prometheus/*.yml: the same groups, with their comments, as the Prometheus operator takes
them. Run it after a change there: python deploy/k8s/components/monitoring/rules.py
"""

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
RULES: Final = HERE.parents[2] / "prometheus"
MADE: Final = HERE / "rules.yaml"
NAMES: Final = ("recording", "slo", "alerts")
GROUPS: Final = "groups:\n"
HEAD: Final = """\
# Made of deploy/prometheus/{name}.yml by rules.py: change that, and run it.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: feed-{name}
spec:
  groups:
"""


def text() -> str:
    """One object for each file, so that none grows past what an annotation of `kubectl apply` can hold."""
    return "---\n".join(_object(name, (RULES / f"{name}.yml").read_text()) for name in NAMES)


def _object(name: str, rules: str) -> str:
    """What stands above the groups is about the file; what is below is moved in as it is."""
    _, groups, body = rules.partition(GROUPS)
    assert groups, f"{name}.yml has no groups"
    return HEAD.format(name=name) + "".join(f"  {line}" if line.strip() else line for line in body.splitlines(True))


if __name__ == "__main__":
    MADE.write_text(text())
