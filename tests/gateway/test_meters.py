"""What a gateway says of its ticks is what happened to them."""

import itertools
from bisect import bisect_left
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from feed.core.streams import Position, Stream
from feed.core.ticks import NS_PER_S, QUOTES, TRADES, Gap
from feed.gateway.forms import Segment
from feed.gateway.lane import FULL_BYTES
from feed.gateway.message import Message
from feed.gateway.meters import STAMP_EVERY, Counting, Meters, meters_of
from feed.gateway.resume import Place
from feed.metrics import DELAY_BUCKETS
from feed.settings import Metrics
from feed.wire.codec import JSON, MSGPACK
from tests.counted import Rise, shown
from tests.gateway.gateway_stage import play, serving, until
from tests.gateway.hub_stage import EPOCH, FEED, T0, Client, Stage, stream, tick

A, B, Q = stream("A"), stream("B"), stream("A", QUOTES)
TO_GATEWAY, IN_GATEWAY, WHOLE = "publish_to_gateway", "gateway_to_socket", "publish_to_socket"
OUT = "feed_gateway_messages_out_total"


def hops(risen: Rise, hop: str) -> float:
    return risen("feed_hop_delay_seconds_count", feed=FEED, hop=hop)


def quantile_bucket(before: dict[str, float], hop: str, share: float) -> int:
    """In which bucket a quantile of what was counted since then lies."""
    risen = [count - before[bound] for bound, count in buckets(hop).items()]
    return next(number for number, count in enumerate(risen) if count >= share * risen[-1])


def buckets(hop: str) -> dict[str, float]:
    """Cumulative counts by upper bound, rising."""
    name = "feed_hop_delay_seconds_bucket"
    found = {
        sample.labels["le"]: sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == name and sample.labels["feed"] == FEED and sample.labels["hop"] == hop
    }
    return found or dict.fromkeys([*map(str, DELAY_BUCKETS), "+Inf"], 0.0)


def begun(*streams: Stream, metrics: Metrics | None = None) -> Stage:
    """A stage whose streams have ticked before: clients are told of no epoch first."""
    stage = Stage(metrics=metrics)
    stage.seqs.update(dict.fromkeys(streams, 1))
    return stage


class Slow(Client):
    """A client whose writes take time, and who notes when each was done."""

    def __init__(self, stage: Stage, cost_s: float, done: list[int]) -> None:
        super().__init__()
        self._stage = stage
        self._cost_s = cost_s
        self._done = done

    def write(self, data: bytes) -> bool:
        self._stage.clock.at += self._cost_s
        self._done.append(self._stage.clock.now_ns())
        return super().write(data)


@given(
    crowds=st.lists(st.tuples(st.integers(1, 150), st.sampled_from([(A,), (B,), (A, B)]), st.sampled_from([1, 2]))),
    bursts=st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 5)), min_size=1, max_size=4),
)
def test_each_delivery_counts_once(
    crowds: list[tuple[int, tuple[Stream, ...], int]], bursts: list[tuple[Stream, int]]
) -> None:
    stage = begun(A, B)
    for many, wanted, depth in crowds:
        for _ in range(many):
            stage.subscribe(Client(), *wanted, depth=depth, codec=JSON if many % 2 else MSGPACK)
    risen = Rise()
    for of, many in bursts:
        stage.ticks(of, many)
    stage.clock.turn()
    due = sum(many * crowd for of, many in bursts for crowd, wanted, _ in crowds if of in wanted)
    read = sum(many for of, many in bursts if any(of in wanted for _, wanted, _ in crowds))
    assert risen(OUT, feed=FEED) == due
    assert (hops(risen, IN_GATEWAY), hops(risen, WHOLE)) == (due, due)
    assert hops(risen, TO_GATEWAY) == read
    assert risen("feed_gateway_flush_messages_sum", feed=FEED) == due


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("apart", [False, True], ids=["one cohort", "each its own"])
def test_quantiles_are_those_that_a_crowd_sees(share: float, apart: bool) -> None:
    """The last of a crowd waits for the writes to all others: a stamp before them says a hundredth of the truth."""
    stage, done = begun(A), []
    before, want = buckets(IN_GATEWAY), [stream(f"own{n}") for n in range(1_000)] if apart else [A] * 1_000
    for each in want:
        stage.subscribe(Slow(stage, 0.000_01, done), A, *({each} - {A}))
    came = stage.clock.now_ns()
    stage.ticks(A)
    stage.clock.turn()
    seen = sorted((at - came) / NS_PER_S for at in done)
    told = quantile_bucket(before, IN_GATEWAY, share)
    assert len(seen) == 1_000
    assert abs(told - bisect_left(DELAY_BUCKETS, seen[int(share * 1_000)])) <= 1


def test_the_messages_that_stand_for_all_are_chosen_evenly() -> None:
    """Streams of one flush, one of which has most of the messages: each message is as likely as any other."""
    said = [[Message(EPOCH, n, tick(of, n), 1, 1) for n in numbers] for of, numbers in ((A, range(4)), (B, [9]))]
    due = [Segment(len(messages), b"", messages) for messages in said]
    grid = [(n + 0.5) / 20 for n in range(20)]
    found: Counter[int] = Counter()
    for first, second in itertools.product(grid, grid):  # which segment, and which of its messages
        found[Counting("evenly", chance=iter((first, second)).__next__)._one_of(due, 5).seq] += 1
    assert found == dict.fromkeys([0, 1, 2, 3, 9], 80)


def test_the_delay_is_that_of_a_message_that_was_written() -> None:
    stage = begun(A)
    done: list[int] = []
    stage.subscribe(Slow(stage, 0.002, done), A)
    before = buckets(WHOLE)
    stage.ticks(A, ts_pub=stage.clock.now_ns() - 20_000_000)
    stage.clock.turn()
    assert quantile_bucket(before, WHOLE, 1.0) == bisect_left(DELAY_BUCKETS, 0.022)


def test_an_exemplar_names_the_stream_and_the_number() -> None:
    stage, risen = begun(A), Rise()
    stage.subscribe(Client(), A)
    stage.ticks(A, 3, ts_pub=stage.clock.now_ns() - 3 * NS_PER_S)
    stage.clock.turn()
    (mark,) = [
        sample.exemplar
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.exemplar and sample.labels.get("feed") == FEED and sample.labels.get("le") == "4.0"
        if risen(sample.name, **sample.labels)
    ]
    assert mark.labels["stream"] == f"{FEED}:trades:A"
    assert mark.labels["seq"] in ("2", "3", "4")
    assert mark.value == pytest.approx(3.0, abs=0.01)
    assert mark.timestamp == pytest.approx(stage.clock.now_ns() / 1e9)


def test_a_clock_that_runs_behind_is_counted_and_shown() -> None:
    stage, risen = begun(A), Rise()
    stage.subscribe(Client(), A)
    stage.ticks(A, 2, ts_pub=stage.clock.now_ns() + 5 * NS_PER_S)
    stage.clock.turn()
    for hop in (TO_GATEWAY, WHOLE):
        assert risen("feed_hop_negative_total", feed=FEED, hop=hop) == 2
        assert (shown("feed_hop_clock_offset_seconds", feed=FEED, hop=hop) or 0) >= 4.9
    assert risen("feed_hop_negative_total", feed=FEED, hop=IN_GATEWAY) == 0


def test_who_wants_a_rate_or_missed_something_waits_for_no_fault_of_ours() -> None:
    stage, risen = begun(A, Q), Rise()
    rated, back = Client(), Client()
    stage.subscribe(rated, Q, rate=1.0)
    stage.ticks(A, 5)  # nobody reads it yet
    stage.subscribe(Client(), A)
    stage.ticks(A, 3)
    stage.ticks(Q, 3)
    stage.clock.turn(2)
    at_first = hops(risen, IN_GATEWAY)
    assert at_first == 3
    stage.subscribe(back, A, places={A: Place(Position(EPOCH, 7), [])})
    stage.clock.turn(1)
    assert len(back.read()) == 2
    assert hops(risen, IN_GATEWAY) == at_first
    stage.ticks(A, 2)
    stage.clock.turn(1)
    assert hops(risen, IN_GATEWAY) == at_first + 4


def test_a_slow_client_counts_when_it_is_given_what_it_waited_for() -> None:
    stage, risen = begun(A), Rise()
    slow = Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL_BYTES
    stage.ticks(A, 3)
    stage.clock.turn(2)
    assert hops(risen, WHOLE) == 0
    assert shown("feed_gateway_outbox_bytes", feed=FEED) == FULL_BYTES
    assert shown("feed_gateway_lag_seconds", feed=FEED) == pytest.approx(2, abs=0.1)
    before = buckets(WHOLE)
    slow.waiting = 0
    stage.clock.turn(1)
    assert len(slow.read()) == 3
    assert hops(risen, WHOLE) == 3
    assert quantile_bucket(before, WHOLE, 0.01) == bisect_left(DELAY_BUCKETS, 2.0)
    assert shown("feed_gateway_outbox_bytes", feed=FEED) == shown("feed_gateway_lag_seconds", feed=FEED) == 0


def test_the_last_ticks_age() -> None:
    stage, client = Stage(), Client()

    def age() -> float | None:
        return shown("feed_gateway_last_tick_age_seconds", feed=FEED)

    assert age() == 0
    stage.clock.turn(5)
    form = stage.subscribe(client, A)
    stage.clock.turn(3)
    assert age() == 3, "since it was waited for"
    stage.ticks(A)
    assert age() == 0
    stage.clock.turn(7)
    assert age() == 7
    stage.unsubscribe(client, form, A)
    assert age() == 0


def test_a_named_symbol_is_measured_by_itself() -> None:
    stage = begun(A, B, Q, metrics=Metrics(symbols=("A",)))
    for _ in range(STAMP_EVERY + 1):
        stage.subscribe(Client(), A, B)
    stage.subscribe(Client(), Q)
    risen = Rise()
    for of in (A, A, B, Q):
        stage.ticks(of, 2)
    stage.clock.turn()
    assert risen("feed_symbol_delay_seconds_count", feed=FEED, symbol="A") == 4 * (STAMP_EVERY + 1) + 2
    assert risen("feed_symbol_ticks_total", feed=FEED, kind=TRADES, symbol="A") == 4
    assert risen("feed_symbol_ticks_total", feed=FEED, kind=QUOTES, symbol="A") == 2
    assert shown("feed_symbol_ticks_total", feed=FEED, kind=TRADES, symbol="B") is None


def test_turned_off_nothing_is_stamped_or_counted_on_the_ticks_way() -> None:
    stage, risen = Stage(metrics=Metrics(enabled=False, symbols=("A",))), Rise()
    assert type(stage.hub.meters) is Meters
    for _ in range(STAMP_EVERY + 1):
        stage.subscribe(Client(), A)
    stage.ticks(A, 3)
    stage.clock.turn()
    stage.gap(A, Gap("A", "venue", None, None, T0))
    assert risen(OUT, feed=FEED) == hops(risen, WHOLE) == hops(risen, TO_GATEWAY) == 0
    assert risen("feed_gateway_gaps_total", feed=FEED, cause="venue") == 1
    assert risen("feed_gateway_missing_ticks_total", feed=FEED, cause="venue") == STAMP_EVERY + 1


def test_a_stamp_that_comes_back_is_counted_whichever_way_it_went() -> None:
    risen, meters = Rise(), meters_of(FEED, Metrics(), lambda: T0)
    for trip_s in (0.02, -0.5):
        meters.echoed(trip_s)
    assert hops(risen, "client_echo") == 2
    assert risen("feed_hop_negative_total", feed=FEED, hop="client_echo") == 1


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_a_gateway_says_whether_it_is_ready_and_for_how_many(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, max_connections=77) as stage:
            assert shown("feed_gateway_ready") == 1
            assert shown("feed_gateway_connections_limit") == 77
            stage.stop.set()
            await until(lambda: shown("feed_gateway_ready") == 0)

    play(scene)
