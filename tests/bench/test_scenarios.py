"""The scenarios' table, and who wants what in it."""

import pytest

from feed.bench import targets
from feed.bench.audience import Want, split
from feed.bench.mixed import GROUPS, Weighed, checked, counted, slope
from feed.bench.scenarios import QUICK, SCENARIOS, chosen


def test_all_or_those_that_are_named_in_the_tables_order() -> None:
    assert chosen(()) == list(SCENARIOS)
    assert [scenario.name for scenario in chosen(("watchlist", "hot"))] == ["hot", "watchlist"]


def test_a_wrong_name_is_told_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match=r"no scenario 'hott': there are hot, burst"):
        chosen(("hott",))


def test_watchlists_are_the_same_each_time_and_differ_among_clients() -> None:
    (watchlist,) = chosen(("watchlist",))
    names = [f"S{number}" for number in range(500)]
    wanted = watchlist.wanted(500, names)
    assert wanted == watchlist.wanted(500, names)
    assert {len(set(symbols)) for symbols in wanted} == {20}
    assert len({tuple(symbols) for symbols in wanted}) == 500


def test_a_smaller_crowd_where_time_is_short() -> None:
    assert QUICK.clients_of(chosen(("crowd",))[0]) == 2_000
    assert QUICK.clients_of(chosen(("hot",))[0]) == 500


def test_every_target_is_of_a_scenario_there_is() -> None:
    assert {target.scenario for target in targets.TARGETS} <= {scenario.name for scenario in SCENARIOS}


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_wants_are_dealt_out_evenly(parts: int) -> None:
    wants = [Want("", "a", 10), Want("", "b", 1), Want("", "c", 5), *(Want("", str(n)) for n in range(9))]
    dealt = split(wants, parts)
    totals = [sum(times for _, _, times, _ in part) for part in dealt]
    assert sum(totals) == 25
    assert max(totals) - min(totals) <= 1
    for want in wants:
        assert sum(times for part in dealt for _, command, times, _ in part if command == want.command) == want.times


def test_every_mixed_client_is_either_counted_or_checked() -> None:
    wanted = [[f"S{number}"] for number in range(30)]
    assert len(counted(wanted)) + len(checked(wanted)) == 30
    assert sum(restless for _, _, restless in checked(wanted)) == 30 / GROUPS


def test_memory_slope_leaves_the_first_minute_out() -> None:
    rising = [Weighed(10.0 * n, 10**8 if n < 6 else 10**6 * (n - 6)) for n in range(31)]
    assert slope(rising) == pytest.approx(6.0)
    assert slope(rising[:10]) is None
