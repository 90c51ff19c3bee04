"""`feed gateway`: serves clients."""

import asyncio
import ipaddress
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from feed.cli.options import Misused, configured, knob, log_format, log_level, redis_url
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
    knob("--feeds", "gateway.feeds", "Feeds that clients may ask for.", metavar="A,B"),
    knob(
        "--insecure-public",
        "auth.insecure_public",
        "Let everyone who can reach this address connect, without authentication.",
        is_flag=True,
    ),
    log_level,
    log_format,
)
def gateway(settings: "Settings") -> None:
    """Serve the page, WebSocket clients and REST.

    Reads the feeds' streams from Redis and pushes their ticks to the clients that asked for them. Prints one line when
    it listens. SIGTERM or Ctrl-C drains: clients are told to reconnect elsewhere, one after the other, over
    drain.window_s; a second one ends it at once.

    \b
    Example:
      feed gateway --redis redis://127.0.0.1:6379/0 --feeds sim,binance --port 8080
    """
    values = settings.values
    refuse_public(values, settings.origin["gateway.host"])

    async def main(stop: asyncio.Event) -> int:
        from feed.admin import Admin
        from feed.gateway.server import Gateway

        knobs = values.gateway
        server = Gateway(values)
        async with AsyncExitStack() as stack:
            with binding("admin", knobs.host, knobs.admin_port, "--admin-port", "gateway.admin_port"):
                admin = await stack.enter_async_context(Admin(knobs.host, knobs.admin_port, server.not_ready))
            stack.push_async_callback(server.close)
            with binding("gateway", knobs.host, knobs.port, "--port", "gateway.port"):
                await server.start()
            listening = f"listening on {url(knobs.host, server.port)}"
            announce(f"gateway: {listening} · admin {url(knobs.host, admin.port)}")
            await server.run(stop)
        return 0

    serve(values.log, main)


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
