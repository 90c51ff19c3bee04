"""`feed health`: whether the server of this container, or of this machine, is ready; by its admin port."""

import http.client
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from feed.cli.options import Misused, Refused, configured, redis_unused

if TYPE_CHECKING:
    from feed.settings.sources import Settings

# Each server's section of the settings, and in it the address and the port of its admin port.
PORTS: Final = {"gateway": ("gateway", "admin_host", "admin_port"), "ingest": ("ingest", "host", "admin_port")}
# An admin port answers in milliseconds, behind a burst of ticks in tenths of a second.
ANSWERS_WITHIN_S: Final = 3.0


@click.command()
@click.argument("server", type=click.Choice(list(PORTS)), required=False)
@click.option("--live", is_flag=True, help="Ask whether it is alive, not whether it is ready.")
@configured(redis_unused)
def health(settings: "Settings", server: str | None, live: bool) -> None:
    """Ask SERVER's admin port, as file and environment have it, whether it is ready; without SERVER, that of each
    server that runs here.

    A gateway is ready when clients can be sent to it, ingest when ticks can flow; a process is alive also while it
    waits or drains. Exits with 0, or with 1 and the reason. Made for containers, which need no other program for it.

    \b
    Examples:
      feed health
      feed health gateway
      feed health ingest --live
    """
    path = "/healthz" if live else "/readyz"
    places = {name: place(settings, name) for name in ([server] if server else PORTS)}
    told = {name: said for name, where in places.items() if (said := answer(where, path)) is not None}
    if not told:
        raise Refused(f"{server or 'no server'}: nobody listens at {', '.join(places.values())}")
    for name, (status, words) in told.items():
        if status != http.client.OK:
            raise Refused(f"{name}: {words}")
        click.echo(f"feed {name}: {words}")


def place(settings: "Settings", server: str) -> str:
    """Where a server's admin port is reached from here. Raises Misused where its settings don't tell."""
    from feed.cli.serving import url

    section, host, port = PORTS[server]
    knobs = getattr(settings.values, section)
    if getattr(knobs, port) == 0:
        raise Misused(f"{section}.{port} = 0: which port was free, only the server's first line says")
    return url(getattr(knobs, host), getattr(knobs, port))


def answer(where: str, path: str) -> tuple[int, str] | None:
    """Status and text; None where nobody listens. Raises Refused where no answer comes."""
    parts = urlsplit(where)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWERS_WITHIN_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace").strip()
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"no answer from {where}: {error}") from error
    finally:
        connection.close()
