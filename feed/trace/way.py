"""The way of a stream's ticks hop by hop: how long each took of late, which took the most, and what is wrong."""

from typing import Final, NamedTuple

from feed.core.delays import Summary
from feed.trace.look import Look

VENUE_INGEST: Final = "venue → ingest"
INGEST_PUBLISH: Final = "ingest → publish"
PUBLISH_GATEWAY: Final = "publish → gateway"
GATEWAY_SOCKET: Final = "gateway → socket"
PUBLISH_HERE: Final = "publish → here"


class Hop(NamedTuple):
    """One hop; `at` is the gateway's name, "" for what is measured here. `most` marks the one that takes the most of a
    client's time, by its 99th percentile."""

    name: str
    at: str
    delays: Summary
    most: bool = False


def way_of(look: Look) -> list[Hop]:
    """The hops that were measured, in a tick's order; those of each gateway apart."""
    heard = look.heard
    found = [
        (VENUE_INGEST, "", heard.venue_to_ingest),
        (INGEST_PUBLISH, "", heard.ingest_to_publish),
        *((PUBLISH_GATEWAY, reader.name, reader.publish_to_gateway) for reader in look.readers),
        *((GATEWAY_SOCKET, reader.name, reader.gateway_to_socket) for reader in look.readers),
    ]
    hops = [Hop(name, at, delays) for name, at, delays in found if delays is not None]
    slowest = max(hops, key=lambda hop: hop.delays.p99_us, default=None)
    hops = [hop._replace(most=hop is slowest) for hop in hops]
    # no client waits for this reading: it tells what a gateway's own would be without the gateway
    return [*hops, Hop(PUBLISH_HERE, "", heard.publish_to_here)] if heard.publish_to_here is not None else hops


def faults_of(look: Look) -> list[str]:
    """What stands in the way of the stream, and what a reader of the numbers must know, in words."""
    if look.fault:
        return [f"Redis is away: {look.fault}; it is asked again each second"]
    return [*_of_redis(look), *_of_ingest(look), *_of_gateways(look), *_of_clocks(look), *look.heard.notes]


def _of_redis(look: Look) -> list[str]:
    if look.standing is None or look.standing.record is not None:
        return []
    return [f"Redis knows nothing of {look.stream.name}: waiting for its first tick"]


def _of_ingest(look: Look) -> list[str]:
    if not any(worker.answer is not None for worker in look.workers):
        return [f"no ingest worker of {look.stream.feed} answers"]
    found = []
    for worker in look.workers:
        told = worker.answer or {}
        if not told:
            continue
        if not told.get("bus_up"):
            found.append(f"{worker.name} can't publish: it has no connection to Redis")
        if not told.get("venue_up"):
            found.append(f"{worker.name} has no connection to the venue")
        elif told.get("silent"):
            found.append(f"{worker.name} hears nothing of {look.stream.symbol}")
    return found


def _of_gateways(look: Look) -> list[str]:
    if not look.readers:
        return [f"no gateway that carries {look.stream.feed} answers"]
    if not any(reader.reads for reader in look.readers):
        return ["no gateway reads it, as no client wants it"]
    return [f"{reader.name} has lost the bus" for reader in look.readers if not reader.bus_up]


def _of_clocks(look: Look) -> list[str]:
    below = [hop for hop in way_of(look) if hop.delays.least_us < 0]
    return [
        f"{hop.name}{hop.at and f' at {hop.at}'} is below zero: the later clock is behind by"
        f" {-hop.delays.least_us / 1_000:,.3f} ms at least"
        for hop in below
    ]
