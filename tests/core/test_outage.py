"""When an outage is news, and how long it was."""

from hypothesis import given
from hypothesis import strategies as st

from feed.core.outage import Outage


def test_it_is_told_once_for_each_reason_and_its_end_says_how_long_it_was() -> None:
    outage = Outage()
    assert outage.ends(1.0) is None
    assert [outage.begins(why, now) for now, why in enumerate(["refused", "refused", "loading", "refused"], 10)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert outage.lasts
    assert outage.ends(17.5) == 7.5
    assert not outage.lasts
    assert outage.ends(18.0) is None
    assert outage.begins("refused", 20.0)
    assert outage.ends(20.0) == 0.0


@given(st.lists(st.sampled_from(["there", "why", "why else"]), max_size=60))
def test_each_end_that_is_told_had_a_beginning_that_was(steps: list[str]) -> None:
    outage, since = Outage(), None
    for now, step in enumerate(steps):
        if step == "there":
            assert outage.ends(now) == (None if since is None else now - since)
            since = None
        else:
            assert outage.begins(step, now) or since is not None
            since = now if since is None else since
