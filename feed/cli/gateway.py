"""`feed gateway`: serves clients."""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from feed.cli.options import Misused, configured, knob, log_format, log_level, redis_url, variable
from feed.cli.serving import announce, beside, binding, living, measured, serve, url, usable

if TYPE_CHECKING:
    from feed.settings import Values
    from feed.settings.sources import Settings


@click.command()
@configured(
    redis_url,
    knob("--host", "gateway.host", "Address to listen on for clients.", metavar="HOST"),
    knob("--port", "gateway.port", "Port for clients; 0 takes a free one.", metavar="PORT"),
    knob("--admin-host", "gateway.admin_host", "Address of the admin port.", metavar="HOST"),
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
      FEED_AUTH__MODE=keys FEED_GATEWAY__TLS_CERT=tls.crt FEED_GATEWAY__TLS_KEY=tls.key feed gateway --host 0.0.0.0
    """
    values = settings.values
    refuse_public(values, settings.origin["gateway.host"])
    if worker is not None:
        from feed.cli.worker import work

        work(worker, values)
        return
    warn(settings)
    if values.gateway.workers == 1:
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
    async with AsyncExitStack() as stack:
        stack.enter_context(measured(values.metrics))
        with usable():
            server = Gateway(values)
        with binding("admin", knobs.admin_host, knobs.admin_port, "--admin-port", "gateway.admin_port"):
            admin = await stack.enter_async_context(Admin(knobs.admin_host, knobs.admin_port, server.not_ready))
        stack.push_async_callback(server.close)
        with binding("gateway", knobs.host, knobs.port, "--port", "gateway.port"):
            await server.start()
        metrics.GATEWAY_WORKERS.labels().set(1)
        metrics.GATEWAY_WORKERS_UP.labels().set(1)
        await warn_of_no_keys(values)
        collect_rarely()
        address, tells = url(knobs.host, server.port, scheme(values)), url(knobs.admin_host, admin.port)
        stack.enter_context(living(values, listening=address, admin=tells, connections=server.life))
        announce(f"gateway: listening on {address} · admin {tells}")
        await server.run(stop)
    return 0


async def together(settings: "Settings", stop: asyncio.Event) -> int:
    """The parent of several, which serves no clients. Returns the exit code."""
    from prometheus_client import CollectorRegistry

    from feed import metrics
    from feed.admin import Admin
    from feed.bus.inquiries import Respondent
    from feed.cli.children import environment_of
    from feed.cli.crew import Crew
    from feed.cli.parent import View
    from feed.cli.ports import held
    from feed.exposition import Joined

    knobs = settings.values.gateway
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        with binding("gateway", knobs.host, knobs.port, "--port", "gateway.port"):
            port = stack.enter_context(held(knobs.host, knobs.port))
        crew = Crew(knobs.workers, environment_of(settings) | {variable("gateway.port"): str(port)}, stop)
        registry.register(Joined(crew.families))
        metrics.GATEWAY_READY.labels().set_function(lambda: float(not crew.not_ready()))  # also while no worker is up
        with binding("admin", knobs.admin_host, knobs.admin_port, "--admin-port", "gateway.admin_port"):
            admin = await stack.enter_async_context(
                Admin(knobs.admin_host, knobs.admin_port, crew.not_ready, registry, crew.refresh)
            )
        await warn_of_no_keys(settings.values)
        address, tells = url(knobs.host, port, scheme(settings.values)), url(knobs.admin_host, admin.port)
        stack.enter_context(living(settings.values, listening=address, admin=tells))
        respondent = Respondent(settings.values.redis, "gateway parent", View(crew.not_ready))
        async with beside(respondent.run()):
            return await crew.run(
                lambda: announce(f"gateway: listening on {address} · admin {tells} · {knobs.workers} workers")
            )


def refuse_public(values: "Values", origin: str) -> None:
    """Without authentication only this machine may connect, unless someone said that others may."""
    from feed.gateway.address import is_loopback

    if values.auth.mode != "none" or values.auth.insecure_public or is_loopback(values.gateway.host):
        return
    raise Misused(
        f'gateway.host = "{values.gateway.host}" (from {origin}): must be a loopback address while auth.mode is '
        '"none", because everyone who reaches it may connect; set auth.mode to "keys" and make one with '
        '`feed key create`, or to "jwt"; if everyone is meant, say --insecure-public'
    )


def scheme(values: "Values") -> str:
    """What a gateway's address begins with."""
    return "https" if values.gateway.tls_cert else "http"


def warn(settings: "Settings") -> None:
    """Says on stderr what was set and is likely meant otherwise."""
    if "*" in settings.values.gateway.origins:
        say(f'gateway.origins has "*" (from {settings.origin["gateway.origins"]}): every page in the world may connect')
    if settings.origin["redis.url"] == "--redis" and urlsplit(settings.values.redis.url).password:
        say(
            f"--redis has a password, and everyone on this machine sees command lines: use {variable('redis.password')}"
        )


async def warn_of_no_keys(values: "Values") -> None:
    """Says so where only keys let anybody in and there is none. Where they can't be read, the gateway's log says it."""
    if values.auth.mode != "keys":
        return
    from feed.access.keyring import UNREADABLE, key_store

    store = key_store(values)
    try:
        stored = await store.read("")
    except UNREADABLE:
        return
    finally:
        await store.close()
    if stored is not None and not stored.keys:
        say('nobody can get in: auth.mode is "keys" and there is no key; `feed key create --name NAME` makes one')


def say(line: str) -> None:
    click.echo(f"feed: {line}", err=True)
