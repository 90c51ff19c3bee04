"""`feed gateway`: serves clients."""

import asyncio
import ipaddress
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from feed.cli.options import Misused, configured, knob, log_format, log_level, redis_url, variable
from feed.cli.serving import announce, binding, serve, url

if TYPE_CHECKING:
    from feed.settings import Values
    from feed.settings.sources import Settings


@click.command()
@configured(
    redis_url,
    knob("--host", "gateway.host", "Address to listen on, for clients and admin.", metavar="HOST"),
    knob("--port", "gateway.port", "Port for clients; 0 takes a free one.", metavar="PORT"),
    knob("--admin-port", "gateway.admin_port", "Port of /metrics, /healthz, /readyz.", metavar="PORT"),
    knob("--workers", "gateway.workers", "Processes that share the port, each on its core.", metavar="N"),
    knob("--feeds", "gateway.feeds", "Feeds that clients may ask for.", metavar="A,B"),
    knob(
        "--insecure-public",
        "auth.insecure_public",
        "Let everyone who can reach this address connect, without authentication.",
        is_flag=True,
    ),
    log_level,
    log_format,
    click.option("--worker", type=int, hidden=True, help="Which of a gateway's workers this is: said by its parent."),
)
def gateway(settings: "Settings", worker: int | None) -> None:
    """Serve the page, WebSocket clients and REST.

    Reads the feeds' streams from Redis and pushes their ticks to the clients that asked for them. Prints one line when
    it listens. SIGTERM or Ctrl-C drains: clients are told to reconnect elsewhere, one after the other, over
    drain.window_s; a second one ends it at once.

    With --workers N the clients are spread over N processes, one of which may die: it is started again, and its
    clients find the others at the same port. One admin port answers for all.

    \b
    Examples:
      feed gateway --redis redis://127.0.0.1:6379/0 --feeds sim,binance --port 8080
      feed gateway --workers 4
    """
    values = settings.values
    refuse_public(values, settings.origin["gateway.host"])
    if worker is not None:
        from feed.cli.worker import work

        work(worker, values)
    elif values.gateway.workers == 1:
        serve(values.log, lambda stop: alone(values, stop))
    elif sys.platform == "linux":
        serve(values.log, lambda stop: together(settings, stop))
    else:
        raise Misused(
            f"gateway.workers = {values.gateway.workers} (from {settings.origin['gateway.workers']}): must be 1 here, "
            "because only Linux spreads the connections of one port over processes"
        )


async def alone(values: "Values", stop: asyncio.Event) -> int:
    """One process, which serves until it is told to stop. Returns the exit code."""
    from feed import metrics
    from feed.admin import Admin
    from feed.gateway.server import Gateway
    from feed.lifecycle import collect_rarely

    knobs = values.gateway
    server = Gateway(values)
    async with AsyncExitStack() as stack:
        with binding("admin", knobs.host, knobs.admin_port, "--admin-port", "gateway.admin_port"):
            admin = await stack.enter_async_context(Admin(knobs.host, knobs.admin_port, server.not_ready))
        stack.push_async_callback(server.close)
        with binding("gateway", knobs.host, knobs.port, "--port", "gateway.port"):
            await server.start()
        metrics.GATEWAY_WORKERS.set(1)
        metrics.GATEWAY_WORKERS_UP.set(1)
        collect_rarely()
        announce(f"gateway: listening on {url(knobs.host, server.port)} · admin {url(knobs.host, admin.port)}")
        await server.run(stop)
    return 0


async def together(settings: "Settings", stop: asyncio.Event) -> int:
    """The parent of several, which serves no clients. Returns the exit code."""
    from prometheus_client import CollectorRegistry

    from feed.admin import Admin
    from feed.cli.children import environment_of
    from feed.cli.crew import Crew
    from feed.cli.ports import held
    from feed.exposition import Joined

    knobs = settings.values.gateway
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        with binding("gateway", knobs.host, knobs.port, "--port", "gateway.port"):
            port = stack.enter_context(held(knobs.host, knobs.port))
        crew = Crew(knobs.workers, environment_of(settings) | {variable("gateway.port"): str(port)}, stop)
        registry.register(Joined(crew.families))
        with binding("admin", knobs.host, knobs.admin_port, "--admin-port", "gateway.admin_port"):
            admin = await stack.enter_async_context(
                Admin(knobs.host, knobs.admin_port, crew.not_ready, registry, crew.refresh)
            )
        addresses = f"listening on {url(knobs.host, port)} · admin {url(knobs.host, admin.port)}"
        return await crew.run(lambda: announce(f"gateway: {addresses} · {knobs.workers} workers"))


def refuse_public(values: "Values", origin: str) -> None:
    """Without authentication only this machine may connect, unless someone said that others may."""
    if values.auth.mode != "none" or values.auth.insecure_public or is_loopback(values.gateway.host):
        return
    raise Misused(
        f'gateway.host = "{values.gateway.host}" (from {origin}): must be a loopback address while auth.mode is '
        '"none", because everyone who reaches it may connect; if that is meant, say --insecure-public'
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
