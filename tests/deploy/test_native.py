"""compose.yaml's services work together: TLS, both gateways, two workers of one venue, metrics, and their end.

The very commands and files are run, as processes: haproxy and Prometheus are Debian's, Redis is that of the tests.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.deploy.composed import FEED, GATEWAYS, ONCE, SERVICES
from tests.deploy.native import PLAYED, Native, programs, venue

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, facts: dict[str, str]) -> Iterator[Native]:
    lacking = {"haproxy", "prometheus"} - programs().keys()
    if lacking:
        pytest.skip(f"no {' and no '.join(sorted(lacking))} on the PATH (Debian has both)")
    folder = tmp_path_factory.mktemp("native")
    began = time.monotonic()
    with venue(folder) as (url, symbols), Native(folder, {"BINANCE_URL": url, "BINANCE_SYMBOLS": symbols}) as native:
        for name in SERVICES:
            if name in PLAYED:
                native.start(name)
        for name in sorted(PLAYED - ONCE):
            native.until_healthy(name)
        facts["services"] = f"{len(native.running)} of {len(SERVICES)}"
        facts["all healthy after"] = f"{time.monotonic() - began:.0f} s"
        yield native


@asynccontextmanager
async def client(stage: Native, feed: str, **more: Any) -> AsyncIterator[ClientConnection]:
    """At the proxy, whose certificate it believes, by the name that people type."""
    trust = ssl.create_default_context(cafile=str(stage.path("/run/feed/tls/feed.cert.pem")))
    address = {"host": stage.addresses["proxy"], "ssl": trust, "subprotocols": ["feed.v1.json"]}
    async with connect(f"wss://localhost:8443/v2/{feed}", **address, **more) as socket:
        yield socket


async def subscribed(socket: ClientConnection) -> None:
    await socket.send(json.dumps({"action": "subscribe", "trades": ["*"]}))


async def trades(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            found += [message for message in json.loads(await socket.recv()) if message["T"] == "t"]
    return found


def metric(stage: Native, name: str, metric: str) -> float:
    """All series of one metric of one process, summed."""
    port = 9400 if name in GATEWAYS else 9401
    text = (stage.get(f"http://{stage.addresses[name]}:{port}/metrics") or b"").decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith((f"{metric} ", f"{metric}{{")))


def until(true: Any, what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def test_clients_get_ticks_through_the_proxy_from_both_gateways(stage: Native, facts: dict[str, str]) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(client(stage, "sim")) for _ in range(8)]
            for socket in sockets:
                await subscribed(socket)
            for socket in sockets:
                assert await trades(socket, 5)
            for name in GATEWAYS:
                assert metric(stage, name, "feed_gateway_connections") == 4  # whoever has fewest gets the next
        facts["clients by wss"] = "8, with ticks, 4 at each gateway"

    asyncio.run(main())


def test_two_workers_of_the_venue_publish_each_tick_once(stage: Native) -> None:
    async def main() -> None:
        async with client(stage, "binance") as socket:
            await subscribed(socket)
            ids: dict[str, list[int]] = {}
            for trade in await trades(socket, 60):
                ids.setdefault(trade["S"], []).append(trade["i"])
            assert ids
            for symbol, found in ids.items():
                assert found == list(range(found[0], found[0] + len(found))), symbol

    asyncio.run(main())
    for name in ("ingest-binance-1", "ingest-binance-2"):
        assert stage.healthy(name)


def test_the_proxys_word_is_believed_and_other_names_are_refused(stage: Native) -> None:
    async def status(**more: Any) -> int:
        try:
            async with client(stage, "sim", **more):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    async def main() -> None:
        assert await status(origin="https://localhost:8443") == 101
        # that it came by TLS the gateway knows from the proxy: a page without it may not connect
        assert await status(origin="http://localhost:8443") == 403
        assert await status(origin="https://elsewhere.example") == 403
        # what a client says of itself is dropped
        forged = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "127.0.0.1"}
        assert await status(origin="http://localhost:8443", additional_headers=forged) == 403
        assert await status(additional_headers={"Host": "rebound.example"}) == 400  # two of them
        trust = ssl.create_default_context(cafile=str(stage.path("/run/feed/tls/feed.cert.pem")))
        with pytest.raises(InvalidStatus) as refused:
            async with connect(
                "wss://rebound.example/v2/sim", host=stage.addresses["proxy"], port=8443, ssl=trust,
                server_hostname="localhost",
            ):  # fmt: skip
                pass
        assert refused.value.response.status_code == 421

    asyncio.run(main())


def test_redis_lets_nobody_in_but_feed(stage: Native) -> None:
    assert stage.ask_redis("PING") == b"+PONG\r\n"
    for command in ("GET x", "KEYS *", "SUBSCRIBE x", "INFO", "AUTH feed wrong"):
        assert stage.ask_redis(command).startswith((b"-NOPERM", b"-WRONGPASS")), command


def test_prometheus_finds_every_target(stage: Native, facts: dict[str, str]) -> None:
    def targets() -> dict[str, str]:
        answer = stage.get(f"http://{stage.addresses['prometheus']}:9090/api/v1/targets")
        return {each["scrapeUrl"]: each["health"] for each in json.loads(answer or b"{}")["data"]["activeTargets"]}

    until(lambda: set(targets().values()) == {"up"}, f"not all are up: {targets()}")
    assert len(targets()) == len(FEED) + 1
    answer = stage.get(f"http://{stage.addresses['prometheus']}:9090/api/v1/rules")
    rules = [rule for group in json.loads(answer or b"{}")["data"]["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    assert not [rule for rule in rules if rule["health"] == "err"]
    facts["Prometheus"] = f"{len(targets())} targets up, {len(rules)} rules"


def test_a_gateway_that_is_stopped_lets_its_clients_go_and_the_other_takes_over(
    stage: Native, facts: dict[str, str]
) -> None:
    first, second = GATEWAYS

    async def main() -> None:
        async with client(stage, "sim") as one, client(stage, "sim") as other:
            for socket in (one, other):
                await subscribed(socket)
                await trades(socket, 1)
            stopping = asyncio.create_task(asyncio.to_thread(stage.stop, first))
            ends = await asyncio.gather(until_closed(one, stopping), until_closed(other, stopping))
            assert sorted(ends) == [0, 1012]
            assert await stopping == 0
            async with client(stage, "sim") as again:
                await subscribed(again)
                assert await trades(again, 1)
                assert metric(stage, second, "feed_gateway_connections") == 2

    asyncio.run(main())
    assert stage.healthy("proxy")
    stage.start(first)
    stage.until_healthy(first)
    facts["a gateway stopped"] = "client told 1012, served by the other"


async def until_closed(socket: ClientConnection, stopping: "asyncio.Task[int]") -> int:
    """The code by which it is closed, and 0 where it is still open when the gateway is gone."""
    try:
        while not stopping.done():
            async with asyncio.timeout(PATIENCE_S):
                await socket.recv()
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd else 1006
    return 0


def test_all_of_it_ends_in_time_and_in_order(stage: Native, facts: dict[str, str]) -> None:
    """The last: it ends what the others use."""
    workers = [name for name in FEED if name not in GATEWAYS]
    order = ["proxy", *GATEWAYS, *workers, "prometheus", "redis"]
    for name in ONCE:
        assert stage.running.pop(name).wait() == 0
    assert set(order) == stage.running.keys()
    assert {name: stage.stop(name) for name in order} == dict.fromkeys(order, 0)
    facts["end"] = "each within its stop_grace_period, exit code 0"
