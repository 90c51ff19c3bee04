"""The whole service as processes, with a venue, clients of each sort, and a real Prometheus that scrapes all of it."""

import datetime
import re
import signal
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from feed.access.self_signed import Pair, make_certificate
from feed.bus.embedded import EmbeddedServer
from tests.integration.service import Service
from tests.minted import Minted, mint
from tests.observed.crowd import Crowd
from tests.observed.market import Market
from tests.observed.prometheus import Prometheus, Target
from tests.observed.readers import Reader, Refused, Returning

CREW: Final = "gateway-0"
"""Two workers behind one port; lets everyone in."""
GUARDED: Final = "gateway-1"
"""TLS, and keys."""
SIM: Final = "ingest-sim-0"
BINANCE: Final = ("ingest-binance-0", "ingest-binance-1")
SYMBOL: Final = "AAPL"
MEMORY_BYTES: Final = 268_435_456
LASTS: Final = datetime.timedelta(days=90)  # a healthy service has a certificate that does not end soon


class Part(NamedTuple):
    """How one process is started: arguments of `feed`, settings, the mark in the line that says that it is ready."""

    arguments: tuple[str, ...]
    settings: Mapping[str, str]
    mark: str


class Stage:
    """The running service. Pods are CREW, GUARDED, SIM and BINANCE."""

    def __init__(self, redis: EmbeddedServer, crowd: Crowd, parts: dict[str, Part], key: Minted, ca: Path) -> None:
        self.redis = redis
        self.crowd = crowd
        self.market = crowd.market
        self.parts = parts
        self.services: dict[str, Service] = {}
        self.key = key
        self.trust = ssl.create_default_context(cafile=str(ca))
        self.prometheus: Prometheus  # set when its targets are known

    def start(self, *pods: str) -> None:
        """Starts processes at once, and returns when all are ready; those that ran before at the ports they had."""
        for pod in pods:
            part = self.parts[pod]
            self.services[pod] = Service(*part.arguments, environment=part.settings)
        for pod in pods:
            service = self.services[pod]
            service.await_ready(self.parts[pod].mark)
            ports = {"--admin-port": _port(service.url("http", "admin"))}
            if pod in (CREW, GUARDED):
                ports["--port"] = _port(service.url("https?"))
            self.parts[pod] = self.parts[pod]._replace(arguments=_at(self.parts[pod].arguments, ports))

    def stop(self, pod: str) -> None:
        """Ends it in good order."""
        self._end(pod)

    def kill(self, pod: str) -> None:
        """Ends it as a power cut would. A crew's workers go with it."""
        self.services[pod].process.kill()
        self._end(pod)

    def close(self) -> None:
        for service in self.services.values():  # all at once: a drain takes its time
            if service.process.poll() is None:
                service.process.send_signal(signal.SIGCONT)
                service.process.send_signal(signal.SIGINT)
        for pod in list(self.services):
            self._end(pod)

    def targets(self) -> list[Target]:
        """All processes that run."""
        return [
            Target(pod.partition("-")[0], pod, f"127.0.0.1:{_port(service.url('http', 'admin'))}")
            for pod, service in self.services.items()
        ]

    def reader(self, feed: str, pod: str = CREW, kind: type[Reader] = Reader, **more: Any) -> Reader:
        """A client that is not there yet. What it wants are fields of its subscription, such as `trades`."""
        known = {"packed", "depth", "echoes", "stays_s", "from_first"}
        options = {name: more.pop(name) for name in known & more.keys()}
        scheme = "ws"
        if pod == GUARDED:
            scheme = "wss"
            headers = {"APCA-API-KEY-ID": self.key.id, "APCA-API-SECRET-KEY": more.pop("secret", self.key.secret)}
            options |= {"headers": headers, "trust": self.trust}
        port = _port(self.services[pod].url("https?"))
        return kind(f"{scheme}://127.0.0.1:{port}/v2/{feed}", more, **options)

    def audience(self) -> list[Reader]:
        """Clients of each sort: so that each number of a healthy service is above 0, and a modest load."""
        everything: dict[str, Any] = {"trades": ["*"], "quotes": ["*"], "bars": ["*"]}
        return [
            *(self.reader("sim", **everything, stamps=True, snapshot=True, echoes=True) for _ in range(3)),
            self.reader("sim", **everything, bars1s=["*"], stamps=True, packed=True),
            self.reader("sim", **everything, depth=1),
            self.reader("sim", quotes=["*"], rate=2.0),
            self.reader("sim", kind=Returning, trades=["*"]),
            self.reader("sim", kind=Returning, trades=["*"], from_first=True, stays_s=2.0),
            self.reader("sim", GUARDED, **everything, stamps=True, echoes=True),
            *(self.reader("binance", pod, trades=["*"], stamps=True, echoes=True) for pod in (CREW, CREW, GUARDED)),
            self.reader("nowhere", kind=Refused, trades=["*"]),
            self.reader("sim", kind=Refused, trades=["no such symbol"]),
            self.reader("sim", GUARDED, Refused, trades=["*"], secret="fs_wrong"),
            self.reader("binance", GUARDED, Refused, bars1s=["*"]),
        ]

    def _end(self, pod: str) -> None:
        service = self.services.pop(pod)
        if service.process.poll() is None:
            service.process.send_signal(signal.SIGCONT)
        service.stop()


@contextmanager
def stage(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    rules: Iterable[Path] = (),
    every_s: float = 0.5,
    ticks_per_s: float = 300.0,
    pods: Iterable[str] = (SIM, *BINANCE, CREW, GUARDED),
    audience: bool = True,
    more: Mapping[str, Any] | None = None,
) -> Iterator[Stage]:
    """All of it, from when Prometheus has seen each process, to its end.

    `settings` are of all processes (FEED_...); `rules`, `every_s` and `more` are Prometheus's. Without `audience` there
    are no clients. The first numbers that Prometheus sees are those of a service without clients.
    """
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedServer(maxmemory=str(MEMORY_BYTES)))
        crowd = stack.enter_context(Crowd(Market()))
        key = mint(redis.url, "desk", "--feeds", "sim,binance", "--kinds", "trades,quotes,bars")
        pair = make_certificate(folder, ["127.0.0.1"], lasts=LASTS)
        parts = _parts(redis.url, crowd.market.url, ticks_per_s, pair, dict(settings or {}))
        on = Stage(redis, crowd, parts, key, pair.cert)
        stack.callback(on.close)
        on.start(*pods)
        on.prometheus = stack.enter_context(Prometheus(folder, on.targets(), rules, every_s, more=more))
        if audience:
            crowd.join(*on.audience())
        yield on
        crowd.leave(*list(crowd.readers))


def _parts(
    redis_url: str, venue_url: str, ticks_per_s: float, files: Pair, settings: Mapping[str, str]
) -> dict[str, Part]:
    of_all = {
        "FEED_REDIS__URL": redis_url,
        "FEED_METRICS__SYMBOLS": SYMBOL,
        "FEED_GATEWAY__TAIL_TICKS": "500",  # so that some who come back are served from the log
        "FEED_DRAIN__DELAY_S": "0",
        "FEED_DRAIN__WINDOW_S": "0.2",
        "FEED_SIM__BURST_EVERY_S": "0",
        "FEED_LOG__FORMAT": "json",
        **settings,
    }
    guarded = {
        "FEED_AUTH__MODE": "keys",
        "FEED_GATEWAY__TLS_CERT": str(files.cert),
        "FEED_GATEWAY__TLS_KEY": str(files.key),
    }
    gateway = ("gateway", "--port", "0", "--admin-port", "0", "--feeds", "sim,binance")
    sim = ("ingest", "sim", "--admin-port", "0", "--symbols-count", "10", "--rate", f"{ticks_per_s:g}")
    binance = ("ingest", "binance", "--admin-port", "0", "--symbols", "BTC/USDT,ETH/USDT", "--venue-url", venue_url)
    return {
        SIM: Part(sim, of_all, "publishing"),
        **{pod: Part(binance, of_all | {"FEED_INGEST__WORKER_ID": pod}, "publishing") for pod in BINANCE},
        CREW: Part((*gateway, "--workers", "2"), of_all, "listening"),
        GUARDED: Part(gateway, of_all | guarded, "listening"),
    }


def _port(url: str) -> str:
    found = re.search(r":(\d+)$", url)
    assert found, url
    return found[1]


def _at(arguments: tuple[str, ...], ports: Mapping[str, str]) -> tuple[str, ...]:
    """The arguments with these values for these options."""
    before = (None, *arguments)
    return tuple(ports.get(str(option), value) for option, value in zip(before, arguments, strict=False))
