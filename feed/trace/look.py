"""One look at a stream in all places at once: Redis, ingest workers, gateways, and the reading here. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from feed.bus.answer import Answer
from feed.bus.standing import LastCall, Standing
from feed.core.delays import Summary
from feed.core.streams import Position, Stream
from feed.core.ticks import NS_PER_S
from feed.trace.ear import Heard

NS_PER_MS: Final = NS_PER_S // 1_000


class Worker(NamedTuple):
    """An ingest worker. `does` says in a word what it does for the stream; `answer` is None of one that is known to
    Redis and did not answer, `call` of one that has written nothing."""

    name: str
    does: str
    call: LastCall | None
    answer: Mapping[str, Any] | None
    age_s: float


class SlowClient(NamedTuple):
    """A client of a gateway that is behind, as `feed.gateway.view.Slow` has it."""

    gateway: str
    connection: str
    key: str
    address: str
    lag_s: float
    waiting_bytes: int
    behind: int | None
    resumes: bool


class Reader(NamedTuple):
    """A gateway process: where it stands, whom it serves, how long its hops took since it was asked last."""

    name: str
    age_s: float
    reads: bool
    bus_up: bool
    at: Position
    behind: int | None
    clients: int
    cohorts: int
    lanes: int
    pending: int
    tail: int
    publish_to_gateway: Summary | None
    gateway_to_socket: Summary | None
    slow: tuple[SlowClient, ...]
    slow_clients: int


class Look(NamedTuple):
    """Everything at Unix time `t`. `standing` and `heard` are None, and `fault` says why, where Redis did not answer;
    `rate` is in entries a second, None before the second look."""

    t: float
    stream: Stream
    fault: str
    standing: Standing | None
    rate: float | None
    workers: tuple[Worker, ...]
    readers: tuple[Reader, ...]
    heard: Heard

    @property
    def age_s(self) -> float | None:
        """How long ago the last entry was received, by Redis' clock and the worker's; below zero where they differ."""
        if self.standing is None or self.standing.last is None:
            return None
        return (self.standing.at_ms * NS_PER_MS - self.standing.last[1].ts_recv) / NS_PER_S

    @property
    def slow(self) -> list[SlowClient]:
        """The slow clients of all gateways, the slowest first."""
        found = [client for reader in self.readers for client in reader.slow]
        return sorted(found, key=lambda client: (-client.lag_s, -client.waiting_bytes))


def look_of(
    t: float, stream: Stream, standing: Standing, answers: Iterable[Answer], heard: Heard, before: Look | None
) -> Look:
    """What the answers come to. `before` is the look before this one: what moved since tells rates, and who works."""
    told = [answer for answer in answers if isinstance(answer.data, Mapping)]
    was = before.standing if before is not None else None
    ingest = {str(answer.data["worker"]): answer for answer in told if answer.data.get("worker")}
    readers = tuple(_reader(answer) for answer in told if "reads" in answer.data)
    workers = _workers(standing, ingest, was)
    return Look(t, stream, "", standing, rate_of(standing, was), workers, readers, heard)


def without_redis(t: float, stream: Stream, fault: str, heard: Heard) -> Look:
    return Look(t, stream, fault, None, None, (), (), heard)


def rate_of(now: Standing, was: Standing | None) -> float | None:
    """Entries a second between two looks; None where they can't be compared."""
    if was is None or was.record is None or now.record is None or now.at_ms <= was.at_ms:
        return None
    if now.record.epoch != was.record.epoch:
        return None
    return (now.record.seq - was.record.seq) * 1_000 / (now.at_ms - was.at_ms)


def _workers(standing: Standing, answers: Mapping[str, Answer], was: Standing | None) -> tuple[Worker, ...]:
    """Those who answer or beat, and whoever wrote last: names of workers that are long gone stay in Redis."""
    calls = {call.worker: call for call in standing.calls}
    numbers = {call.worker: call.number for call in was.calls} if was is not None else {}
    moved = was is not None and was.record != standing.record
    newest = max(standing.calls, key=lambda call: call.last, default=None)
    names = {*answers, *standing.beating, *((newest.worker,) if newest is not None else ())}
    found = []
    for name in sorted(names):
        call, answer = calls.get(name), answers.get(name)
        wrote = call is not None and was is not None and call.number != numbers.get(name)
        alive = answer is not None or name in standing.beating
        does = _does(alive=alive, wrote=wrote, moved=moved, answer=answer)
        found.append(Worker(name, does, call, answer and answer.data, answer.age_s if answer else 0.0))
    return tuple(found)


def _does(*, alive: bool, wrote: bool, moved: bool, answer: Answer | None) -> str:
    """What a worker does for the stream, as far as two looks tell."""
    if not alive:
        return "gone"
    if wrote:
        return "publishes"
    if answer is not None and answer.data.get("waits_for_peer"):
        return "waits for its peer"
    # its ticks were published already: such calls leave no trace in Redis
    return "repeats" if moved else "idle"


def _reader(answer: Answer) -> Reader:
    data = answer.data
    name = _name(answer)
    hops = data.get("hops") or {}
    return Reader(
        name=name,
        age_s=answer.age_s,
        reads=bool(data["reads"]),
        bus_up=bool(data.get("bus_up")),
        at=Position(data.get("epoch"), data.get("seq", 0)),
        behind=data.get("behind"),
        clients=data.get("clients", 0),
        cohorts=data.get("cohorts", 0),
        lanes=data.get("lanes", 0),
        pending=data.get("pending", 0),
        tail=data.get("tail", 0),
        publish_to_gateway=_summary(hops.get("publish_to_gateway")),
        gateway_to_socket=_summary(hops.get("gateway_to_socket")),
        slow=tuple(_slow(name, client) for client in data.get("slow", ())),
        slow_clients=data.get("slow_clients", 0),
    )


def _name(answer: Answer) -> str:
    """A gateway's process, and which worker of several it is."""
    number = answer.who.role.rpartition(" worker ")[2] if " worker " in answer.who.role else ""
    return f"{answer.who.name} #{number}" if number else answer.who.name


def _slow(gateway: str, client: Mapping[str, Any]) -> SlowClient:
    return SlowClient(gateway, **{field: client.get(field) for field in SlowClient._fields[1:]})  # type: ignore[arg-type]


def _summary(fields: Iterable[int] | None) -> Summary | None:
    return None if fields is None else Summary(*fields)
