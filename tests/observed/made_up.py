"""A process that tells every metric of METRICS.md, each counter higher at each scrape: what happens once a year too."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any, Final

from feed.metrics import HOPS
from tests.observed.expressions import INFO, OF_PROCESSES, TABLE

VALUES: Final = {
    "feed": ("sim", "binance"),
    "hop": HOPS,
    "kind": ("trades", "quotes"),
    "role": ("publisher", "subscriber"),
    "result": ("accepted", "refused"),
    "how": ("tail", "lost"),
    "call": ("publish", "beat"),
    "worker": ("1", "2"),
}
BOUNDS: Final = ("-1", "0.001", "0.1", "2", "+Inf")


def text(scrape: int) -> str:
    """What it says at that scrape."""
    families = [
        (name, kind, tuple(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", TABLE.read_text(), re.M)
    ]
    families = [family for family in families if family[0] not in INFO]
    families += [(name, "gauge", tuple(sorted(labels))) for name, labels in {**INFO, **OF_PROCESSES}.items()]
    return "".join(itertools.chain.from_iterable(_family(*family, scrape) for family in families))


def _family(name: str, kind: str, labels: tuple[str, ...], scrape: int) -> Iterator[str]:
    rising = kind == "counter" or name.endswith("_total")
    yield f"# TYPE {name} {'counter' if rising else kind}\n"
    for chosen in product(*(VALUES.get(label, (f"some {label}",)) for label in labels)):
        pairs = "".join(f'{label}="{value}",' for label, value in zip(labels, chosen, strict=True))
        if kind == "histogram":
            for place, bound in enumerate(BOUNDS, 1):
                yield f'{name}_bucket{{{pairs}le="{bound}"}} {place * scrape}\n'
            yield f"{name}_count{{{pairs}}} {len(BOUNDS) * scrape}\n"
        else:
            yield f"{name}{{{pairs}}} {scrape if rising else 1}\n"


class _Page(BaseHTTPRequestHandler):
    def __init__(self, scrapes: Iterator[int], *rest: Any) -> None:
        self._scrapes = scrapes
        super().__init__(*rest)

    def do_GET(self) -> None:
        body = text(next(self._scrapes)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        with contextlib.suppress(ConnectionError):  # who asked is killed at the test's end
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def told() -> Iterator[str]:
    """Its address."""
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(_Page, itertools.count(1))) as server,
        ThreadPoolExecutor() as pool,
    ):
        serving = pool.submit(server.serve_forever, 0.05)
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.result()
