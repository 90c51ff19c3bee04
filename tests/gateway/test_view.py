"""What a gateway says of one stream: its place, its clients, who is slow, and its own hops while somebody asks."""

import asyncio
from typing import Any

import pytest

from feed.bus.answer import Who, pack, unpack
from feed.bus.reading import Batch
from feed.core.delays import Summary
from feed.core.sequence import Epoch, Record
from feed.core.streams import START, Stream
from feed.core.ticks import NS_PER_S, QUOTES
from feed.gateway.identity import Peer
from feed.gateway.lane import FULL_BYTES
from feed.gateway.resume import Place
from feed.gateway.view import MOST_SLOW, View, standing
from feed.settings import Gateway
from tests.gateway.hub_stage import EPOCH, FEED, Client, Stage, stream, tick

A, B = stream("A"), stream("B")
MS = 1_000_000


class Known(Client):
    """A client whom the gateway knows by name."""

    @property
    def peer(self) -> Peer:
        return Peer(f"connection {self.name}", f"fk_{self.name}", "203.0.113.7")


def record(seq: int, epoch: str = EPOCH) -> Record:
    return Record(seq, (Epoch(epoch, 1),))


def said(stage: Stage, of: Stream = A, at: Record | None = None) -> dict[str, Any]:
    return standing(stage.hub, of, at, stage.clock.monotonic(), stage.clock.now_ns())


def test_a_stream_that_nobody_wants_here_is_not_read() -> None:
    assert said(Stage(), at=record(7)) == {"reads": False, "bus_up": True}


def test_position_clients_and_what_is_kept() -> None:
    stage = Stage(window_min_s=0.001)
    one, two, wild = Known("1"), Known("2"), Known("3")
    stage.announce(A)
    stage.subscribe(one, A)
    stage.subscribe(two, A)
    stage.subscribe(wild, kinds=["trades"])
    stage.ticks(A, 5)
    stage.clock.turn(0.1)
    stage.ticks(A, 2)
    found = said(stage, at=record(9))
    assert (found["epoch"], found["seq"], found["behind"]) == (EPOCH, 7, 2)
    # the wildcard's client has a cohort of its own, as others of its kind may have more
    assert (found["clients"], found["cohorts"], found["lanes"]) == (3, 2, 0)
    assert (found["slow"], found["slow_clients"]) == ([], 0)
    stage.clock.turn(0.1)
    assert [said(stage)[key] for key in ("pending", "tail")] == [0, 7]


@pytest.mark.parametrize(("redis", "behind"), [(None, None), (record(7), 4), (record(3), 0), (record(7, "e2"), None)])
def test_how_far_a_gateway_is_behind_redis(redis: Record | None, behind: int | None) -> None:
    stage = Stage()
    stage.subscribe(Known("1"), A)
    stage.ticks(A, 3)
    assert said(stage, at=redis)["behind"] == behind


def test_a_client_that_takes_nothing_is_told_of_with_its_place_and_its_lag() -> None:
    stage = Stage(Gateway(slow_notice_s=2.0, slow_close_s=10.0))
    slow, quick = Known("slow"), Known("quick")
    stage.subscribe(slow, A)
    stage.subscribe(quick, A)
    stage.ticks(A, 1)
    stage.clock.turn(0.1)
    slow.waiting = FULL_BYTES + 1
    stage.ticks(A, 4)
    stage.clock.turn(1.5)
    found = said(stage)
    (told,) = found["slow"]
    assert told.pop("lag_s") == pytest.approx(1.5, abs=0.1)
    assert told == {
        "connection": "connection slow", "key": "fk_slow", "address": "203.0.113.7",
        "waiting_bytes": FULL_BYTES + 1, "behind": 4, "resumes": False,
    }  # fmt: skip
    assert (found["clients"], found["cohorts"], found["lanes"], found["slow_clients"]) == (2, 1, 1, 1)
    slow.waiting = 0
    stage.clock.turn(0.1)
    assert said(stage)["slow"] == []


def test_a_client_that_resumes_is_no_slow_one() -> None:
    stage = Stage()
    stage.subscribe(Known("first"), A)
    stage.ticks(A, 5)
    stage.clock.turn(0.1)
    late = Known("late")
    late.waiting = FULL_BYTES
    stage.subscribe(late, A, places={A: Place(START, [])})
    (told,) = said(stage)["slow"]
    assert (told["connection"], told["resumes"]) == ("connection late", True)


def test_a_socket_that_fills_is_told_before_its_client_falls_behind() -> None:
    stage = Stage()
    client = Known("1")
    stage.subscribe(client, A)
    client.waiting = FULL_BYTES
    assert said(stage)["slow"] == []
    client.waiting += 1
    (told,) = said(stage)["slow"]
    assert (told["lag_s"], told["waiting_bytes"], told["behind"]) == (0.0, FULL_BYTES + 1, 0)


def test_of_many_the_slowest_are_told_and_all_are_counted() -> None:
    stage = Stage()
    for number in range(MOST_SLOW + 5):
        client = Known(str(number))
        stage.subscribe(client, A)
        client.waiting = FULL_BYTES + number + 1
    found = said(stage)
    assert found["slow_clients"] == MOST_SLOW + 5
    assert [each["connection"] for each in found["slow"][:2]] == ["connection 24", "connection 23"]
    assert len(found["slow"]) == MOST_SLOW


def test_hops_are_measured_only_while_somebody_asks() -> None:
    stage = Stage(window_min_s=0.005, window_max_s=0.005)
    stage.subscribe(Known("1"), A, B)
    stage.ticks(A, 3)
    stage.clock.turn(0.1)
    assert said(stage)["hops"] == {"publish_to_gateway": None, "gateway_to_socket": None}
    assert stage.hub.watched.streams == {}
    stage.hub.watched.keep([A])
    for _ in range(2):
        stage.ticks(A, 3, ts_pub=stage.clock.now_ns() - 2 * MS)
        stage.ticks(B, 9, ts_pub=stage.clock.now_ns() - 500 * MS)
        stage.clock.turn(0.1)
    hops = said(stage)["hops"]
    assert hops["publish_to_gateway"][0] == 6
    assert hops["publish_to_gateway"][1:] == pytest.approx((2_000, 2_000, 2_000), rel=0.05)
    assert hops["gateway_to_socket"].measured == 6
    assert said(stage)["hops"] == {"publish_to_gateway": None, "gateway_to_socket": None}, "since the last look"
    stage.hub.watched.keep([])
    stage.ticks(A, 3)
    stage.clock.turn(0.1)
    assert said(stage)["hops"]["publish_to_gateway"] is None


def test_what_a_flush_wrote_to_nobody_is_no_delay() -> None:
    stage = Stage()
    rated, slow = Known("rated"), Known("slow")
    stage.subscribe(rated, A, rate=2.0)
    stage.subscribe(slow, A)
    stage.hub.watched.keep([A])
    slow.waiting = FULL_BYTES + 1
    for _ in range(3):
        stage.ticks(A)
        stage.clock.turn(0.1)
    assert said(stage)["lanes"] == 1
    stage.ticks(A, 5)
    stage.clock.turn(0.1)
    hops = said(stage)["hops"]
    assert hops["publish_to_gateway"].measured == 5
    assert hops["gateway_to_socket"] is None


def test_how_long_a_tick_waits_for_its_flush_is_its_own_hop() -> None:
    stage = Stage(window_min_s=0.5, window_max_s=0.5)
    stage.subscribe(Known("1"), A)
    stage.hub.watched.keep([A])
    stage.ticks(A)  # and with it an epoch, which is no tick
    stage.clock.turn(0.0)  # at once
    stage.clock.turn(0.1)
    stage.ticks(A)  # with the next flush
    stage.clock.turn(1.0)
    hop: Summary = said(stage)["hops"]["gateway_to_socket"]
    assert (hop.measured, hop.least_us) == (2, 0)
    assert hop.p99_us == pytest.approx(400_000, rel=0.05)


def test_a_clock_that_runs_behind_shows_and_the_log_has_no_time_of_publishing() -> None:
    stage = Stage()
    stage.subscribe(Known("1"), A)
    stage.hub.watched.keep([A])
    stage.ticks(A, 2, ts_pub=stage.clock.now_ns() + 3 * MS)
    stage.hub.batch(A, Batch(EPOCH, 3, 0, stage.clock.now_ns(), [tick(A, 3)]))
    arrived: Summary = said(stage)["hops"]["publish_to_gateway"]
    assert (arrived.measured, arrived.least_us) == (2, -3_000)


def test_only_what_is_asked_about_is_watched_and_only_where_the_feed_is_carried() -> None:
    stage = Stage()
    view = View({FEED: stage.hub}.get, lambda: "", lambda: 0)
    view.asked([A, stream("A", QUOTES), Stream("elsewhere", "trades", "A")])
    assert stage.hub.watched.streams.keys() == {A, stream("A", QUOTES)}
    view.asked([Stream("elsewhere", "trades", "A")])
    assert stage.hub.watched.streams == {}
    assert view.stream(Stream("elsewhere", "trades", "A"), None) is None
    view.asked([A])
    view.asked(())
    assert stage.hub.watched.streams == {}


def test_what_is_said_crosses_redis() -> None:
    stage = Stage()
    view = View({FEED: stage.hub}.get, lambda: "draining", lambda: 7)
    client = Known("1")
    stage.subscribe(client, A)
    client.waiting = 10**6
    stage.hub.watched.keep([A])
    stage.ticks(A, ts_pub=stage.clock.now_ns() - NS_PER_S)
    data = view.stream(A, record(1))
    crossed = unpack(pack(Who("n", "r", "v"), 0, data), 0).data
    assert Summary(*crossed["hops"]["publish_to_gateway"]).measured == 1
    assert crossed["slow"][0]["key"] == "fk_1"
    numbers = unpack(pack(Who("n", "r", "v"), 0, asyncio.run(view.metrics())), 0).data
    assert (numbers["not_ready"], numbers["connections"]) == ("draining", 7)
    assert all(family[0].startswith("feed_") for family in numbers["families"])
