"""A real Prometheus on a free port, that scrapes what a test tells it to, and what it answers."""

import json
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from feed.lifecycle import dies_with_parent

PATIENCE_S = 30.0
NAMESPACE = "local"
Answer = dict[str, Any]


class Target(NamedTuple):
    """One admin port. Its series have these labels beside their own, and `namespace`, as on Kubernetes."""

    job: str
    pod: str
    address: str


class Series(NamedTuple):
    """Of an instant query one value, of a range query one for each step: Unix seconds, value."""

    labels: Mapping[str, str]
    values: Sequence[tuple[float, float]]

    @property
    def value(self) -> float:
        return self.values[-1][1]


class QueryError(RuntimeError):
    """Prometheus refused a question; its own words."""


class Prometheus:
    """Runs while its context is open, and dies with the thread that opened it.

    Scrapes and evaluates every `every_s` seconds. `rules` are files of rules, `more` are keys of prometheus.yml beside
    those that this makes (JSON is YAML). Entering returns when it is ready and has scraped each target; it skips the
    test where there is no prometheus.
    """

    def __init__(
        self,
        folder: Path,
        targets: Iterable[Target],
        rules: Iterable[Path] = (),
        every_s: float = 1.0,
        flags: Iterable[str] = ("--enable-feature=exemplar-storage",),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.url = ""
        self._folder = folder
        self._targets = tuple(targets)
        self._rules = tuple(rules)
        self._every_s = every_s
        self._flags = tuple(flags)
        self._more = more or {}
        self._config = folder / "prometheus.yml"
        self._log: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._write()
        data = self._folder / "prometheus-data"
        self._process = subprocess.Popen(
            [
                program("prometheus"), f"--config.file={self._config}", f"--storage.tsdb.path={data}",
                "--web.listen-address=127.0.0.1:0", "--web.enable-lifecycle", "--log.format=json", *self._flags,
            ],
            stderr=subprocess.PIPE, text=True, preexec_fn=dies_with_parent(),
        )  # fmt: skip
        try:
            self.url = f"http://{self._address()}"
            self._reader = threading.Thread(target=self._drain, daemon=True)
            self._reader.start()
            self.await_targets()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def query(self, expression: str, at_s: float | None = None) -> list[Series]:
        """What an expression is, now or at a Unix time; a scalar is one series without labels. Raises QueryError."""
        at = {} if at_s is None else {"time": str(at_s)}
        return _series(self._api("query", query=expression, **at))

    def value(self, expression: str) -> float | None:
        """The only series' value; None where there is none. Raises ValueError where there are several."""
        found = self.query(expression)
        if len(found) > 1:
            raise ValueError(f"{expression} has {len(found)} series")
        return found[0].value if found else None

    def query_range(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """The same over a stretch of time, as a panel asks."""
        return _series(self._api("query_range", query=expression, start=str(start_s), end=str(end_s), step=str(step_s)))

    def exemplars(self, expression: str, start_s: float, end_s: float) -> list[Answer]:
        found: list[Answer] = self._api("query_exemplars", query=expression, start=str(start_s), end=str(end_s))
        return found

    def rules(self) -> list[Answer]:
        """All rules, of all groups, as /api/v1/rules tells them: name, type, health, lastError, ..."""
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]

    def alerts(self, state: str = "firing") -> list[Answer]:
        """Alerts in that state, or in any where it is empty: labels, annotations, state, activeAt, value."""
        return [alert for alert in self._api("alerts")["alerts"] if state in ("", alert["state"])]

    def targets(self) -> list[Answer]:
        found: list[Answer] = self._api("targets", state="active")["activeTargets"]
        return found

    def reload(self, targets: Iterable[Target] | None = None, rules: Iterable[Path] | None = None) -> None:
        """Other targets or rules from here on. Raises QueryError where it refuses them."""
        self._targets = self._targets if targets is None else tuple(targets)
        self._rules = self._rules if rules is None else tuple(rules)
        self._write()
        self._fetch(urllib.request.Request(f"{self.url}/-/reload", method="POST"))

    def await_targets(self) -> None:
        """Until each target answered a scrape: the instant queries see all of them."""
        wanted = len(self._targets)

        def all_up() -> bool:
            found = self.targets()
            return len(found) == wanted and all(target["health"] == "up" for target in found)

        self.until(all_up, "each target is up", lambda: [(t["scrapeUrl"], t["lastError"]) for t in self.targets()])

    def until(
        self,
        is_so: Callable[[], object],
        what: str,
        instead: Callable[[], object] = lambda: "",
        timeout_s: float = PATIENCE_S,
    ) -> None:
        """Waits for a condition; a question that Prometheus does not answer yet is asked again."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                if is_so():
                    return
                why = ""
            except (QueryError, urllib.error.URLError) as error:
                why = str(error)
            if time.monotonic() > end:
                raise AssertionError(f"never: {what}; {why or instead()}")
            time.sleep(0.1)

    def _write(self) -> None:
        every = f"{round(self._every_s * 1_000)}ms"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(path) for path in self._rules],
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [
                        {"targets": [target.address], "labels": {"namespace": NAMESPACE, "pod": target.pod}}
                        for target in self._targets
                        if target.job == job
                    ],
                }
                for job in dict.fromkeys(target.job for target in self._targets)
            ],
        }
        self._config.write_text(json.dumps({**config, **self._more}, indent=1))

    def _address(self) -> str:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line)
            if '"Listening on"' in line:
                address: str = json.loads(line)["address"]
                return address
        raise RuntimeError(f"prometheus did not start: {''.join(self._log[-5:])}")

    def _drain(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log = [*self._log[-50:], line]

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        if self._reader is not None:
            self._reader.join(PATIENCE_S)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def _api(self, path: str, **parameters: str) -> Any:
        words = urllib.parse.urlencode(parameters).encode()
        # long expressions do not fit into an address; other questions can't be posted
        post = path.startswith("query")
        url = f"{self.url}/api/v1/{path}"
        request = urllib.request.Request(url, words) if post else urllib.request.Request(f"{url}?{words.decode()}")
        return json.loads(self._fetch(request))["data"]

    def _fetch(self, request: urllib.request.Request) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                raise QueryError(f"{error.code}: {error.read().decode()}") from None


def program(name: str) -> str:
    """The path of a program of Prometheus'; skips the test where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on the PATH: it comes with Debian's package prometheus")
    return found


def _series(data: Answer) -> list[Series]:
    if data["resultType"] in ("scalar", "string"):
        return [Series({}, [_point(data["result"])])]
    return [Series(each["metric"], list(map(_point, each.get("values") or [each["value"]]))) for each in data["result"]]


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
