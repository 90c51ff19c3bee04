"""A look in plain words: a JSON object for programs, `name=value` lines for a pipe or a log. Pure."""

from typing import Any

from feed.core.delays import Summary
from feed.trace.look import Look, Reader, Worker
from feed.trace.way import Hop, faults_of, way_of

ARROW = " → "
# What of a worker's answer is told beside its name; the rest of the look is its own.
OF_WORKER = ("venue_up", "bus_up", "silent", "buffered_bytes", "unpublished", "oldest_s", "waits_for_peer")


def as_json(look: Look) -> dict[str, Any]:
    """Everything; times are in the units that end their names."""
    return {
        "t": round(look.t, 3),
        "stream": look.stream.name,
        "fault": look.fault,
        "redis": _redis(look),
        "ingest": [_worker(worker) for worker in look.workers],
        "gateways": [_reader(reader) for reader in look.readers],
        "here": _here(look),
        "hops": [_hop(hop) for hop in way_of(look)],
        "slow": [client._asdict() for client in look.slow],
        "notes": faults_of(look),
    }


def lines(look: Look) -> list[str]:
    """One line for Redis, one for each worker, gateway, hop and slow client; what is unknown is left out."""
    told = as_json(look)
    rows = [("redis", told["redis"] or {"fault": look.fault})]
    rows += [("ingest", worker) for worker in told["ingest"]]
    rows += [("gateway", reader) for reader in told["gateways"]]
    rows += [("here", told["here"])]
    rows += [("hop", hop) for hop in told["hops"]]
    rows += [("slow", client) for client in told["slow"]]
    rows += [("note", {"text": note}) for note in told["notes"]]
    return [f"{look.stream.name} {what} {_words(fields)}" for what, fields in rows]


def _words(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={_word(value)}" for name, value in fields.items() if value is not None and value != "")


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f'"{text}"' if " " in text else text


def _redis(look: Look) -> dict[str, Any] | None:
    standing = look.standing
    if standing is None:
        return None
    record = standing.record
    return {
        "epoch": record.epoch if record else None,
        "seq": record.seq if record else 0,
        "log": standing.length,
        "age_s": None if look.age_s is None else round(look.age_s, 3),
        "per_s": None if look.rate is None else round(look.rate, 1),
    }


def _worker(worker: Worker) -> dict[str, Any]:
    told = worker.answer or {}
    call = worker.call
    return {
        "worker": worker.name,
        "does": worker.does,
        "first": call and call.first,
        "last": call and call.last,
        "duplicates": call and call.duplicates,
        **{field: told.get(field) for field in OF_WORKER},
    }


def _reader(reader: Reader) -> dict[str, Any]:
    fields = reader._asdict()
    del fields["slow"], fields["publish_to_gateway"], fields["gateway_to_socket"], fields["at"]
    answer_age_s = round(fields.pop("age_s"), 3)
    return {
        "gateway": fields.pop("name"),
        "answer_age_s": answer_age_s,
        "epoch": reader.at.epoch,
        "seq": reader.at.seq,
        **fields,
    }


def _here(look: Look) -> dict[str, Any]:
    at = look.heard.at
    return {
        "connected": look.heard.up,
        "epoch": at and at.epoch,
        "seq": at and at.seq,
        "entries": look.heard.entries,
    }


def _hop(hop: Hop) -> dict[str, Any]:
    return {"hop": hop.name.replace(ARROW, "_to_"), "gateway": hop.at, **_delays(hop.delays), "most": hop.most}


def _delays(delays: Summary) -> dict[str, Any]:
    return delays._asdict()
