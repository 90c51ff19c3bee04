"""Faults of the whole service, each with the alert that must tell of it. Each can be mended."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from feed.bus.embedded import ask
from tests.integration.crews import children
from tests.observed.stage import BINANCE, CREW, GUARDED, Stage

# A container whose CPU limit is used up stands still for the rest of each tenth of a second; this one for longer.
RUNS_S: Final = 0.15
STANDS_S: Final = 0.2
SLOW_CLIENTS: Final = 12


class Fault(NamedTuple):
    """All of `alerts` must fire while it lasts, and besides only those that the first one's heading in the runbook
    names. `inject` answers what `mend` is given."""

    name: str
    alerts: tuple[str, ...]
    inject: Callable[[Stage], Any]
    mend: Callable[[Stage, Any], None]


def redis_hangs(on: Stage) -> None:
    on.redis.pause()


def redis_goes_on(on: Stage, _: object) -> None:
    on.redis.resume()


def redis_dies(on: Stage) -> None:
    ask(on.redis.port, b"SAVE")  # or it would be back without any key, and gateways would not believe that
    on.redis.kill()


def redis_is_back(on: Stage, _: object) -> None:
    on.redis.start()


def venue_is_mute(on: Stage) -> None:
    on.market.mute = True


def venue_speaks(on: Stage, _: object) -> None:
    on.market.mute = False


def venue_dies(on: Stage) -> int:
    port = int(on.market.url.rpartition(":")[2])
    on.crowd.close_market()
    return port


def venue_is_back(on: Stage, port: int) -> None:
    on.crowd.open_market(port)


def clients_stop_reading(on: Stage) -> list[socket.socket]:
    """Clients with small buffers, who ask for everything and read nothing of it."""
    port = int(on.services[CREW].url("http").rpartition(":")[2])
    return [_unread(port) for _ in range(SLOW_CLIENTS)]


def clients_go(_: Stage, sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


def gateway_is_starved(on: Stage) -> Callable[[], None]:
    """More ticks and clients than its share of a core can serve; answers what ends it."""
    process, ends = on.services[GUARDED].process, threading.Event()

    def starve() -> None:
        while not ends.is_set():
            process.send_signal(signal.SIGSTOP)
            ends.wait(STANDS_S)
            process.send_signal(signal.SIGCONT)
            ends.wait(RUNS_S)

    thread = threading.Thread(target=starve)
    thread.start()

    def end() -> None:
        ends.set()
        thread.join()

    return end


def gateway_has_its_core(_: Stage, end: Callable[[], None]) -> None:
    end()


def gateway_dies(on: Stage) -> None:
    on.kill(GUARDED)


def gateway_is_back(on: Stage, _: object) -> None:
    on.start(GUARDED)


def ingest_dies(on: Stage) -> None:
    on.kill(BINANCE[1])


def ingest_is_back(on: Stage, _: object) -> None:
    on.start(BINANCE[1])


def worker_dies(on: Stage) -> None:
    os.kill(min(children(on.services[CREW].process.pid)), signal.SIGKILL)


def nothing_to_mend(_: Stage, __: object) -> None:
    """Its parent starts another."""


FAULTS: Final = (
    Fault("venue mute", ("FeedStale", "FeedFreshnessBurnsFast"), venue_is_mute, venue_speaks),
    Fault("venue gone", ("FeedVenueDisconnected",), venue_dies, venue_is_back),
    Fault("slow clients", ("FeedSlowClients",), clients_stop_reading, clients_go),
    Fault("overload", ("FeedLoopLate", "FeedHopSlow", "FeedDelayBurnsFast"), gateway_is_starved, gateway_has_its_core),
    Fault("a gateway's worker killed", ("FeedGatewayWorkerRestarted",), worker_dies, nothing_to_mend),
    Fault("a gateway killed", ("FeedTargetDown",), gateway_dies, gateway_is_back),
    Fault("an ingest worker killed", ("FeedNoSecondWorker", "FeedTargetDown"), ingest_dies, ingest_is_back),
    Fault("Redis hangs", ("FeedRedisLost", "FeedPublishBacklog", "FeedNoGatewayReady"), redis_hangs, redis_goes_on),
    Fault("Redis killed", ("FeedRedisLost",), redis_dies, redis_is_back),
)


def _unread(port: int) -> socket.socket:
    unread = socket.socket()
    unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    unread.settimeout(10.0)
    unread.connect(("127.0.0.1", port))
    unread.sendall(
        b"GET /v2/sim HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: feed.v1.json\r\n\r\n"
    )
    seen = b""
    while b'"connected"' not in seen:  # what comes before the upgrade counts as part of the request's head
        seen += unread.recv(4_096)
    unread.sendall(_text(b'{"action":"subscribe","trades":["*"],"quotes":["*"],"bars1s":["*"],"stamps":true}'))
    return unread


def _text(payload: bytes) -> bytes:
    """A client's frame; masked by zeros, which leave the payload as it is."""
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload
