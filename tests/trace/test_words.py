"""Looks for programs: an object that JSON holds, and lines that can be read word by word."""

import json
import shlex

from feed.trace.look import without_redis
from feed.trace.words import as_json, lines
from tests.trace.looks import SILENCE, STREAM, T, gateway, look, ms, slow, standing, worker


def test_an_object_has_everything() -> None:
    found = look(
        worker(), gateway(slow=(slow(),), slow_clients=1), venue_to_ingest=ms(12.0, 15.0, 10.0), notes=("gap",)
    )
    told = json.loads(json.dumps(as_json(found)))
    assert (told["t"], told["stream"], told["fault"]) == (T, "binance:trades:BTC/USDT", "")
    assert told["redis"] == {"epoch": "e1", "seq": 132, "log": 132, "age_s": 0.012, "per_s": None}
    assert told["ingest"][0] == {
        "worker": "w1", "does": "idle", "first": 130, "last": 132, "duplicates": 0, "venue_up": True, "bus_up": True,
        "silent": False, "buffered_bytes": 0, "unpublished": 0, "oldest_s": 0.0, "waits_for_peer": False,
    }  # fmt: skip
    assert told["gateways"] == [
        {"gateway": "gw-1", "answer_age_s": 0.25, "epoch": "e1", "seq": 132, "reads": True, "bus_up": True,
         "behind": 0, "clients": 3, "cohorts": 2, "lanes": 0, "pending": 0, "tail": 100, "slow_clients": 1},
    ]  # fmt: skip
    assert told["here"] == {"connected": True, "epoch": "e1", "seq": 132, "entries": 12}
    assert told["hops"][0] == {
        "hop": "venue_to_ingest", "gateway": "", "measured": 100, "p50_us": 12_000, "p99_us": 15_000,
        "least_us": 10_000, "most": True,
    }  # fmt: skip
    assert [hop["hop"] for hop in told["hops"]] == ["venue_to_ingest", "publish_to_gateway", "gateway_to_socket"]
    assert told["slow"] == [{"gateway": "gw-1", **slow()}]
    assert told["notes"] == ["gap"]


def test_lines_are_words_that_a_shell_can_split() -> None:
    found = look(worker(), gateway(slow=(slow(key=""),), slow_clients=1), notes=("gap at 6: venue",))
    rows = [shlex.split(line) for line in lines(found)]
    assert {row[0] for row in rows} == {"binance:trades:BTC/USDT"}
    assert [row[1] for row in rows] == ["redis", "ingest", "gateway", "here", "hop", "hop", "slow", "note"]
    for row in rows:
        assert all(name and value for name, _, value in (word.partition("=") for word in row[2:])), row
    by_kind = {row[1]: dict(word.split("=", 1) for word in row[2:]) for row in rows}
    assert by_kind["redis"] == {"epoch": "e1", "seq": "132", "log": "132", "age_s": "0.012"}
    assert (by_kind["gateway"]["reads"], by_kind["gateway"]["behind"]) == ("yes", "0")
    assert "key" not in by_kind["slow"]
    assert by_kind["note"] == {"text": "gap at 6: venue"}


def test_what_is_unknown_is_left_out() -> None:
    (redis, *_, note) = lines(look(gateway(reads=False), worker(), now=standing(0)))
    assert redis == "binance:trades:BTC/USDT redis seq=0 log=0"
    assert "waiting" in lines(look(worker(), gateway(), now=standing(0)))[-1]
    assert "no client wants it" in note


def test_without_redis() -> None:
    away = without_redis(T, STREAM, "no answer", SILENCE)
    assert as_json(away)["redis"] is None
    assert lines(away)[0] == 'binance:trades:BTC/USDT redis fault="no answer"'
