"""Looks at a stream, made by hand."""

from typing import Any

from feed.bus.answer import Answer, Who
from feed.bus.standing import LastCall, Standing
from feed.core.delays import Summary
from feed.core.sequence import Epoch, Record
from feed.core.streams import Position, Stream
from feed.core.ticks import Trade
from feed.trace.ear import Heard
from feed.trace.look import Look, look_of

STREAM = Stream("binance", "trades", "BTC/USDT")
AT_MS = 1_795_338_308_000
T = AT_MS / 1_000
SILENCE = Heard(True, None, 0, None, None, None, ())


def ms(p50: float, p99: float | None = None, least: float | None = None, measured: int = 100) -> Summary:
    values = p50, p50 if p99 is None else p99, p50 if least is None else least
    return Summary(measured, *(round(value * 1_000) for value in values))


def heard(**fields: Any) -> Heard:
    return SILENCE._replace(**{"at": Position("e1", 132), "entries": 12, **fields})


def call(worker: str, number: int, first: int, last: int, duplicates: int = 0) -> LastCall:
    return LastCall(worker, number, "e1", first, last, duplicates, 0)


def standing(
    seq: int = 132, *calls: LastCall, at_ms: int = AT_MS, beating: tuple[str, ...] = ("w1",), epoch: str = "e1"
) -> Standing:
    record = Record(seq, (Epoch(epoch, 1),)) if seq else None
    last = Trade("BTC/USDT", seq, 60_000.0, 1.0, "B", AT_MS * 10**6, AT_MS * 10**6 - 12_000_000)
    return Standing(at_ms, record, seq, (seq, last) if seq else None, calls, frozenset(beating))


def gateway(name: str = "gw-1", role: str = "gateway", **fields: Any) -> Answer:
    data = {
        "reads": True, "bus_up": True, "epoch": "e1", "seq": 132, "behind": 0, "clients": 3, "cohorts": 2, "lanes": 0,
        "pending": 0, "tail": 100, "hops": {"publish_to_gateway": ms(0.5, 1.5), "gateway_to_socket": ms(0.25, 2.0)},
        "slow": (), "slow_clients": 0,
    }  # fmt: skip
    return Answer(Who(name, role, "0.1.0"), 0.25, "", data | fields)


def worker(name: str = "w1", **fields: Any) -> Answer:
    data = {
        "worker": name, "not_ready": "", "venue_up": True, "bus_up": True, "silent": False, "buffered_bytes": 0,
        "epoch": "e1", "seq": 132, "unpublished": 0, "oldest_s": 0.0, "waits_for_peer": False,
    }  # fmt: skip
    return Answer(Who(f"host-{name}", "ingest binance", "0.1.0"), 0.5, "", data | fields)


def slow(connection: str = "c7", **fields: Any) -> dict[str, Any]:
    return {
        "connection": connection, "key": "fk_a", "address": "203.0.113.7", "lag_s": 2.5, "waiting_bytes": 264_000,
        "behind": 7_384, "resumes": False,
    } | fields  # fmt: skip


def look(*answers: Answer, before: Look | None = None, now: Standing | None = None, **hearing: Any) -> Look:
    told = answers or (worker(), gateway())
    return look_of(T, STREAM, now or standing(132, call("w1", 7, 130, 132)), told, heard(**hearing), before)
