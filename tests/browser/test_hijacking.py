"""Other sites' pages, in a real browser that holds a reader's session cookie, try to read as that reader."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.access.issuer import SECRET, auth, live
from tests.browser.service import Service, service, site

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

COOKIE = "feed_session"
GATE, DESK = "gate.feed.example", "desk.feed.example"

SUBSCRIBE = """
([url, protocols]) => new Promise((resolve) => {
  const said = [];
  let opened = false;
  const socket = new WebSocket(url, protocols);
  const ended = () => resolve({opened, said});
  socket.onopen = () => {
    opened = true;
    socket.send(JSON.stringify({action: "subscribe", trades: ["*"], quotes: ["*"]}));
  };
  socket.onmessage = ({data}) => {
    said.push(...JSON.parse(data).map(({T, code}) => code ?? T));
    if (said.at(-1) !== "success") { socket.close(); ended(); }
  };
  socket.onclose = ended;
  socket.onerror = ended;
})
"""
FETCH = """
async ([url, mode]) => {
  try {
    const answer = await fetch(url, {mode, credentials: "include"});
    return {type: answer.type, status: answer.status, text: await answer.text()};
  } catch (fault) { return {type: fault.name}; }
}
"""
DEPTHS = ([], ["feed.v1.json"])
LET_IN = {"opened": True, "said": ["success", "success", "subscription"]}
KEPT_OUT: dict[str, Any] = {"opened": False, "said": []}


class World(NamedTuple):
    """A gateway that takes cookies, and the ports of a site that it allows and of one that it doesn't."""

    gate: Service
    good: int
    evil: int

    @property
    def stream(self) -> str:
        return f"ws://{GATE}:{self.gate.port}/v2/sim"


@pytest.fixture
def world(redis_url: str) -> Iterator[World]:
    tokens = auth(jwt_algorithms=("HS256",), jwt_secret=SECRET, cookie=COOKIE)
    with site() as good, site() as evil:
        origins = (f"http://{DESK}:{good}",)
        with service(redis_url, auth=tokens, origins=origins) as gate:
            gate.trade("AAPL", 190.25)
            yield World(gate, good, evil)


@pytest.fixture
def victim(page: Any) -> Any:
    """A browser whose reader is signed in at the gateway. The cookie is as open as cookies get without TLS."""
    cookie = {"name": COOKIE, "value": live("HS256"), "domain": GATE, "path": "/", "sameSite": "Lax"}
    page.context.add_cookies([cookie])
    return page


def attempts(page: Any, world: World) -> list[dict[str, Any]]:
    return [page.evaluate(SUBSCRIBE, [world.stream, depth]) for depth in DEPTHS]


def test_the_cookie_lets_in_the_gateway_s_own_page(victim: Any, world: World) -> None:
    victim.goto(f"http://{GATE}:{world.gate.port}/web/icon.svg")
    assert attempts(victim, world) == [LET_IN, LET_IN]


def test_the_cookie_lets_in_a_page_that_is_allowed(victim: Any, world: World) -> None:
    victim.goto(f"http://{DESK}:{world.good}/")
    assert attempts(victim, world) == [LET_IN, LET_IN]


EVIL = {
    "another port of the gateway's own host": (GATE, "evil"),
    "another host of its domain": ("evil.feed.example", "evil"),
    "the allowed host at another port": (DESK, "evil"),
    "a host that begins like the allowed one": (f"{DESK}.attacker.example", "good"),
    "another host on the allowed one's port": ("attacker.example", "good"),
    "another site": ("attacker.example", "evil"),
}


@pytest.mark.parametrize(("host", "port"), EVIL.values(), ids=list(EVIL))
def test_a_page_of_another_origin_is_kept_out(victim: Any, world: World, host: str, port: str) -> None:
    victim.goto(f"http://{host}:{getattr(world, port)}/")
    assert attempts(victim, world) == [KEPT_OUT, KEPT_OUT]


def test_a_frame_without_an_origin_is_kept_out(victim: Any, world: World) -> None:
    victim.goto(f"http://{DESK}:{world.good}/")
    victim.evaluate("""() => {
        const frame = document.createElement("iframe");
        frame.setAttribute("sandbox", "allow-scripts");
        frame.src = location.href;
        document.body.append(frame);
    }""")
    victim.wait_for_function("() => frames.length === 1")
    frame = victim.frames[1]
    frame.wait_for_load_state()
    assert frame.evaluate("origin") == "null"
    assert attempts(frame, world) == [KEPT_OUT, KEPT_OUT]


PATHS = ("symbols", "latest?kind=trades&symbols=AAPL", "history?stream=trades:AAPL")


@pytest.mark.parametrize(("host", "port"), [*EVIL.values(), (DESK, "good")], ids=[*EVIL, "the allowed page"])
def test_no_other_page_reads_rest(victim: Any, world: World, host: str, port: str) -> None:
    victim.goto(f"http://{host}:{getattr(world, port)}/")
    for path in PATHS:
        url = f"http://{GATE}:{world.gate.port}/v2/sim/{path}"
        assert victim.evaluate(FETCH, [url, "cors"]) == {"type": "TypeError"}
        assert victim.evaluate(FETCH, [url, "no-cors"]) == {"type": "TypeError"}


def bent(page: Any, port: int) -> str:
    """A page that came from an attacker's server, whose name now means the gateway's address: its host and port."""
    host = f"attacker.example:{port}"
    page.route(f"http://{host}/", lambda route: route.fulfill(body="<title>bent</title>", content_type="text/html"))
    page.goto(f"http://{host}/")
    return host


def test_a_name_bent_to_the_gateway_brings_no_cookie_and_reads_nothing(victim: Any, world: World) -> None:
    host = bent(victim, world.gate.port)
    for depth in DEPTHS:
        said = victim.evaluate(SUBSCRIBE, [f"ws://{host}/v2/sim", depth])
        assert said["said"] in ([], ["success", 401])
    for path in PATHS:
        answer = victim.evaluate(FETCH, [f"http://{host}/v2/sim/{path}", "cors"])
        assert answer["status"] in (401, 421)
        assert "190.25" not in answer["text"]
    assert attempts(victim, world) == [KEPT_OUT, KEPT_OUT]


def test_a_name_bent_to_a_gateway_that_serves_its_own_machine_reads_nothing(page: Any, redis_url: str) -> None:
    with service(redis_url) as gate:
        gate.trade("AAPL", 190.25)
        host = bent(page, gate.port)
        for depth in DEPTHS:
            assert page.evaluate(SUBSCRIBE, [f"ws://{host}/v2/sim", depth]) == KEPT_OUT
        for path in ("web/main.js", *(f"v2/sim/{path}" for path in PATHS)):
            assert page.evaluate(FETCH, [f"http://{host}/{path}", "cors"])["status"] == 421
        page.goto(f"http://localhost:{gate.port}/web/icon.svg")  # by a name of its own
        own = page.evaluate(SUBSCRIBE, [f"ws://localhost:{gate.port}/v2/sim", []])
        assert own == {"opened": True, "said": ["success", "subscription"]}
