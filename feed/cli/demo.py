"""`feed demo`: Redis, ingest and gateway on one machine, with one command."""

import asyncio
import sys
from asyncio import FIRST_COMPLETED
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from feed.cli.children import Child, environment_of, until_ready
from feed.cli.gateway import refuse_public
from feed.cli.options import Refused, configured, knob, log_level, variable

if TYPE_CHECKING:
    from feed.access.self_signed import Pair
    from feed.bus.embedded import EmbeddedServer
    from feed.settings.sources import Settings

READY_WITHIN_S: Final = 30.0
SERVER_POLL_S: Final = 0.5
STOP_WITHIN_S: Final = 10.0  # the gateway's drain and the worker's last publishing included
DRAIN_WINDOW_S: Final = 0.5  # whoever presses Ctrl-C is waiting, and the clients have nowhere else to go


@click.command()
@click.option(
    "--replay",
    "recordings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    multiple=True,
    help="Real ticks: play this recording of Binance instead of the simulator; may be given again.",
)
@click.option("--tls", is_flag=True, help="Speak https and wss, with a certificate that is made for this run.")
@configured(
    knob("--redis", "redis.url", "Use this Redis or Valkey, and start none. A FILE's is not used.", metavar="URL"),
    knob("--symbols", "sim.symbols", "Symbols that the simulator makes up.", metavar="N"),
    knob("--rate", "sim.ticks_per_s", "Ticks a second, over all symbols.", metavar="N"),
    knob("--host", "gateway.host", "Address that clients connect to.", metavar="HOST"),
    knob("--port", "gateway.port", "Port of page and WebSocket; 0 takes a free one.", metavar="PORT"),
    knob("--admin-port", "gateway.admin_port", "The gateway's /metrics; 0 takes a free one.", metavar="PORT"),
    knob("--ingest-admin-port", "ingest.admin_port", "The worker's /metrics; 0 takes a free one.", metavar="PORT"),
    knob("--insecure-public", "auth.insecure_public", "Allow a --host that others can reach.", is_flag=True),
    log_level,
)
def demo(settings: "Settings", recordings: tuple[Path, ...], tls: bool) -> None:
    """Start everything on this machine: a Redis of its own (unless told of one), ticks, a gateway, the live page.

    Ends with Ctrl-C and leaves nothing behind. Needs no configuration, no network and no installed Redis
    (pip install 'feed[demo]').

    \b
    Examples:
      feed demo
      feed demo --symbols 200 --rate 5000 --port 8081
      feed demo --replay btcusdt_20240809.gz
      feed demo --redis redis://127.0.0.1:6379/0
      feed demo --tls
    """
    from feed.bus.embedded import EmbeddedError
    from feed.lifecycle import report_faults, run

    refuse_public(settings.values, settings.origin["gateway.host"])
    report_faults(debug=settings.values.log.level == "debug")
    try:
        with belongings(tls, redis=not names_redis(settings)) as (server, certificate):
            code = run(lambda stop: Demo(settings, recordings, server, certificate).run(stop))
    except EmbeddedError as error:
        raise Refused(str(error)) from error
    raise SystemExit(code)


def names_redis(settings: "Settings") -> bool:
    """Whether the flag or the variable names a Redis.

    A file doesn't count: config/feed.toml names one in any case, and that of an installation may be the real one.
    """
    return settings.origin["redis.url"].upper() in ("--REDIS", variable("redis.url"))


@contextmanager
def belongings(tls: bool, redis: bool) -> "Iterator[tuple[EmbeddedServer | None, Pair | None]]":
    """A Redis of the demo's own and a certificate, as far as they are wanted; gone at the end."""
    from feed.access.self_signed import make_certificate
    from feed.bus.embedded import EmbeddedServer
    from feed.cli.scratch import scratch

    with ExitStack() as stack:
        directory = stack.enter_context(scratch()) if tls or redis else None
        certificate = make_certificate(directory) if tls and directory else None
        server = stack.enter_context(EmbeddedServer(directory=directory)) if redis and directory else None
        yield server, certificate


class Demo:
    """The demo's processes. The embedded Redis is its caller's, who ends it last; without one it is the settings'.

    With a `certificate` it speaks https and wss, and says how to trust it.
    """

    def __init__(
        self,
        settings: "Settings",
        recordings: tuple[Path, ...],
        server: "EmbeddedServer | None",
        certificate: "Pair | None" = None,
    ) -> None:
        self._certificate = certificate
        self._values = settings.values
        self._recordings = recordings
        self._feed = "binance" if recordings else "sim"
        self._server = server
        self._redis = server.url if server else settings.values.redis.url
        quiet = settings.origin["log.level"] == "default"
        self._forward = not quiet
        self._environment = environment_of(settings) | {
            variable("redis.url"): self._redis,
            variable("gateway.feeds"): self._feed,
            variable("log.format"): "console",
            variable("drain.delay_s"): "0",
            variable("drain.window_s"): str(DRAIN_WINDOW_S),
            **({variable("log.level"): "warning"} if quiet else {}),
        }
        if certificate is not None:
            self._environment[variable("gateway.tls_cert")] = str(certificate.cert)
            self._environment[variable("gateway.tls_key")] = str(certificate.key)
        self._dead: asyncio.Future[tuple[str, list[str]]] = asyncio.get_running_loop().create_future()
        self._children: list[Child] = []
        self._watching: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event) -> int:
        """Runs until `stop` or until a child dies, and returns the exit code. Ends its children in any case."""
        stopped = asyncio.create_task(stop.wait())
        if self._server is not None:
            self._watching.append(asyncio.create_task(self._watch_server(self._server)))
        starting = asyncio.create_task(self._start())
        first: list[asyncio.Future[Any]] = [starting, stopped, self._dead]
        try:
            await asyncio.wait(first, timeout=READY_WITHIN_S, return_when=FIRST_COMPLETED)
            if not any(one.done() for one in first):
                return self._never_ready()
            if starting.done() and not self._dead.done():
                show(starting.result())
                await asyncio.wait(first[1:], return_when=FIRST_COMPLETED)
            return died(*self._dead.result()) if self._dead.done() and not stopped.done() else 0
        finally:
            for task in (starting, stopped, *self._watching):
                task.cancel()
            for child in reversed(self._children):  # the gateway first: no client shall see its ticks dry up
                await child.stop(STOP_WITHIN_S)

    async def _start(self) -> dict[str, str]:
        """Starts the children and returns what to tell once all are ready."""
        if self._recordings:
            paths = [str(path) for path in self._recordings]
            replay = await self._child("replay", *paths, "--port", "0")
            self._environment[variable("binance.url")] = (await replay.announced())[0]
        ingest = await self._child("ingest", self._feed)
        gateway = await self._child("gateway")
        (page, gateway_admin), (ingest_admin,) = await gateway.announced(), await ingest.announced()
        await asyncio.gather(until_ready(gateway_admin), until_ready(ingest_admin))
        socket = f"{page.replace('http', 'ws', 1)}/v2/{self._feed}"
        return self._facts(page, socket, gateway_admin, ingest_admin)

    def _facts(self, page: str, socket: str, gateway_admin: str, ingest_admin: str) -> dict[str, str]:
        from feed.settings.words import mask

        facts = {
            "page": f"{page}/",
            "websocket": socket,
            "gateway": f"{gateway_admin}/metrics",
            "ingest": f"{ingest_admin}/metrics",
            "redis": mask(self._redis),
        }
        trust = ""
        if self._certificate is not None:
            facts["trust"] = f"curl --cacert {self._certificate.cert} {page}/"
            trust = f" --ca {self._certificate.cert}"
        symbol = self._example_symbol()
        return facts | {
            "try": f"feed watch {socket} {symbol}{trust}",
            "trace": f"feed trace {self._feed}:trades:{symbol} --redis {mask(self._redis)}",
        }

    async def _child(self, command: str, *arguments: str) -> Child:
        child = await Child.start(command, *arguments, environment=self._environment, forward=self._forward)
        self._children.append(child)
        self._watching.append(asyncio.create_task(self._watch(child)))
        return child

    def _example_symbol(self) -> str:
        from feed.ingest.market import LISTINGS

        return self._values.binance.symbols[0] if self._recordings else LISTINGS[0].symbol

    async def _watch(self, child: Child) -> None:
        code = await child.ended()
        if not self._dead.done():
            self._dead.set_result((f"{child.name} ended with exit code {code}", list(child.last_words)))

    async def _watch_server(self, server: "EmbeddedServer") -> None:
        while server.pid is not None:  # noqa: ASYNC110  its process is no child of this event loop
            await asyncio.sleep(SERVER_POLL_S)
        if not self._dead.done():
            self._dead.set_result(("the embedded Redis is gone", []))

    def _never_ready(self) -> int:
        words = [f"{child.name}: {line}" for child in self._children for line in child.last_words]
        print(f"feed: not ready after {READY_WITHIN_S:g} s", *words, sep="\n  ", file=sys.stderr)
        return 1


def died(what: str, last_words: list[str]) -> int:
    """Says what died and why; returns the exit code."""
    if len(last_words) == 1 and last_words[0].startswith("feed: "):
        print(last_words[0], file=sys.stderr)  # one line that says what is wrong and what to do is the whole story
    else:
        print(f"feed: {what}", *last_words, sep="\n  ", file=sys.stderr)
    return 1


def show(facts: Mapping[str, str]) -> None:
    """The panel that says where everything is; plain lines where stdout is no terminal."""
    lines = [f"{name:<10} {text}" for name, text in facts.items()]
    if not sys.stdout.isatty():
        print("feed demo: ready", *lines, sep="\n", flush=True)
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    body = Text("\n").join(
        Text.assemble((f"{name:<10} ", "dim"), (text, "bold" if name == "page" else "")) for name, text in facts.items()
    )
    Console().print(Panel(body, title="feed demo", subtitle="Ctrl-C ends it all", expand=False, border_style="green"))
