"""`metrics.enabled`, in processes as they are started: what is on the ticks' way is there or not, the rest always."""

import sys
import time
from collections.abc import Callable

import pytest

from feed import metrics
from feed.bus.embedded import EmbeddedServer
from tests.integration.scrapes import Scraped
from tests.integration.service import Service, running
from tests.integration.stopwatch import Client

PATIENCE_S = 30.0
ON_THE_WAY = {child.name for child in metrics.ON_THE_WAY}
# of a gateway and a worker whose ticks flow, and which have no clients with a rate, no symbols named, no clock behind
SEEN = {
    "feed_hop_delay_seconds", "feed_gateway_ticks_in", "feed_gateway_messages_out", "feed_gateway_flush_seconds",
    "feed_gateway_last_tick_age_seconds", "feed_ingest_ticks", "feed_publish_ticks", "feed_bus_call_seconds",
}  # fmt: skip
GATEWAY = ("gateway", "--port", "0", "--admin-port", "0", "--feeds", "sim")
INGEST = ("ingest", "sim", "--admin-port", "0")

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads one port's connections over processes")
pytestmark = pytest.mark.timeout(120)


def families(service: Service) -> set[str]:
    """The names of what has samples, without endings."""
    names = {name for name, _ in Scraped(service).all()}
    for ending in ("_bucket", "_count", "_sum", "_total"):
        names = {name.removesuffix(ending) for name in names}
    return names


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=[LINUX, pytest.mark.chaos])])
@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_what_is_told(on: bool, workers: int) -> None:
    environment = {"FEED_METRICS__ENABLED": str(on).lower(), "FEED_GATEWAY__WORKERS": str(workers)}
    with (
        EmbeddedServer() as redis,
        running("listening", *GATEWAY, "--redis", redis.url, environment=environment) as gateway,
        running("publishing", *INGEST, "--redis", redis.url, environment=environment) as ingest,
    ):
        client = Client(int(gateway.url("http").rpartition(":")[2]), ("json", {"trades": ["*"]}))
        try:
            while sum(message["T"] == "t" for _, message in client.seen) < 20:
                client.read()
        finally:
            client.sock.close()
        until(lambda: Scraped(gateway).value("feed_gateway_ready") == 1)
        told = families(gateway) | families(ingest)
        assert told & ON_THE_WAY >= SEEN if on else not told & ON_THE_WAY
        assert {"feed_loop_delay_seconds", "feed_gateway_connections", "feed_bus_connected", "feed_build_info"} <= told
        assert {"feed_gateway_outbox_bytes", "feed_ingest_connected", "feed_gateway_connections_limit"} <= told
