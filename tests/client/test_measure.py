from hypothesis import given
from hypothesis import strategies as st

from feed.client.measure import BUCKET_NS, Rate, Samples
from feed.core.ticks import NS_PER_S

START_NS = 1_800_000_000 * NS_PER_S


def test_a_steady_rate_is_its_own_from_the_first_second_on() -> None:
    rate = Rate()
    for step in range(1, 101):
        now_ns = START_NS + step * NS_PER_S // 10
        rate.add(5, now_ns)
        if step > 10:
            assert 45 <= rate.per_second(now_ns) <= 56


def test_a_rate_falls_to_zero_in_silence() -> None:
    rate = Rate()
    rate.add(30, START_NS)
    assert rate.per_second(START_NS + 2 * NS_PER_S) > 10
    assert rate.per_second(START_NS + 4 * NS_PER_S) == 0
    assert rate.per_second(START_NS + 400 * NS_PER_S) == 0


def test_a_rate_of_nothing_is_zero() -> None:
    assert Rate().per_second(START_NS) == 0


@given(st.lists(st.tuples(st.integers(0, 3 * NS_PER_S), st.integers(1, 9)), max_size=60))
def test_a_rate_never_counts_more_than_came(steps: list[tuple[int, int]]) -> None:
    rate, now_ns, total = Rate(), START_NS, 0
    for step_ns, count in steps:
        now_ns, total = now_ns + step_ns, total + count
        rate.add(count, now_ns)
        assert 0 < rate.per_second(now_ns) <= total * NS_PER_S / BUCKET_NS


def test_quantiles_are_of_the_last_seconds_only() -> None:
    samples = Samples()
    samples.add(1_000_000, START_NS)
    for value in range(1, 101):
        samples.add(value, START_NS + 6 * NS_PER_S)
    assert samples.quantiles(START_NS + 6 * NS_PER_S) == (50, 99)
    assert samples.quantiles(START_NS + 12 * NS_PER_S) is None


def test_samples_are_bounded() -> None:
    samples = Samples(capacity=3)
    for value in (900, 1, 2, 3):
        samples.add(value, START_NS)
    assert samples.quantiles(START_NS) == (2, 3)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=50))
def test_quantiles_are_measured_values_in_order(values: list[int]) -> None:
    samples = Samples()
    for value in values:
        samples.add(value, START_NS)
    quantiles = samples.quantiles(START_NS)
    assert quantiles is not None
    assert set(quantiles) <= set(values)
    assert quantiles[0] <= quantiles[1] <= max(values)
