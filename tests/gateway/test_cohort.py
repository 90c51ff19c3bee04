"""Selections, and which of them make the same cohort."""

from hypothesis import given
from hypothesis import strategies as st

from feed.core.grant import EVERYTHING, grant
from feed.core.streams import Stream
from feed.gateway.cohort import CohortKey, Selection
from feed.gateway.forms import form_of
from feed.wire.codec import JSON, MSGPACK

FORM = form_of(JSON, 2, False)
NONE = Selection.none("sim")
CHOICES = st.dictionaries(
    st.sampled_from(["trades", "quotes", "bars"]), st.lists(st.sampled_from(["A", "B", "C", "*"]), max_size=4)
)


def test_adding_and_dropping() -> None:
    some = NONE.plus({"trades": ["A", "B", "A"], "quotes": ["*"]})
    assert (some.size, some.kinds) == (3, {"quotes"})
    assert some.streams == {Stream("sim", "trades", "A"), Stream("sim", "trades", "B")}
    less = some.minus({"trades": ["A", "NOPE"], "quotes": ["*"], "bars": ["A"]})
    assert (less.size, less.kinds, less.streams) == (1, frozenset(), {Stream("sim", "trades", "B")})
    assert some.size == 3


def test_dropping_a_wildcard_drops_no_name() -> None:
    both = NONE.plus({"trades": ["*", "A"]})
    assert both.minus({"trades": ["*"]}) == NONE.plus({"trades": ["A"]})
    assert both.minus({"trades": ["A"]}) == NONE.plus({"trades": ["*"]})


@given(choices=st.lists(CHOICES, max_size=5), drop=CHOICES)
def test_the_way_to_a_selection_makes_no_difference(
    choices: list[dict[str, list[str]]], drop: dict[str, list[str]]
) -> None:
    forwards, backwards = NONE, NONE
    for choice in choices:
        forwards = forwards.plus(choice)
    for choice in reversed(choices):
        backwards = backwards.plus(choice)
    assert CohortKey.of(FORM, forwards) == CohortKey.of(FORM, backwards)
    assert forwards.plus(drop).minus(drop) == forwards.minus(drop)
    assert forwards.minus(forwards.rates) == NONE


def test_what_a_wildcard_covers_makes_no_cohort_of_its_own() -> None:
    plain = NONE.plus({"trades": ["*"], "quotes": ["A"]})
    assert CohortKey.of(FORM, plain) == CohortKey.of(FORM, plain.plus({"trades": ["A", "B"]}))
    assert CohortKey.of(FORM, plain) != CohortKey.of(FORM, plain.plus({"quotes": ["B"]}))


def test_another_form_is_another_cohort() -> None:
    forms = {form_of(codec, depth, stamps) for codec in (JSON, MSGPACK) for depth in (1, 2) for stamps in (False, True)}
    assert len(forms) == 6  # depth one has no stamps
    assert len({CohortKey.of(form, NONE) for form in forms}) == 6


def test_a_grant_leaves_what_it_covers_no_faster_than_it_allows() -> None:
    wishes = NONE.plus({"trades": ["A", "B", "*"], "quotes": ["A"]}, 8.0).plus({"trades": ["A"]})
    some = wishes.within(grant(kinds=["trades"], symbols=["A*"], max_rate=5))
    assert some.rates == {"trades": {"A": 5.0, "*": 5.0}}
    assert (some.scope, wishes.within(EVERYTHING)) == ({"A*"}, wishes)
    assert some.plus({"bars": ["*"]}).minus({"trades": ["*"]}).scope == some.scope
    covered = [symbol for symbol in ("A", "AB", "B") if some.covers(Stream("sim", "trades", symbol))]
    assert covered == ["A", "AB"]


def test_wildcards_that_reach_as_far_make_one_cohort_and_others_another() -> None:
    one, same, other = (NONE.within(grant(symbols=symbols)) for symbols in (["A*", "B"], ["B", "A*"], ["A*"]))
    every = {"trades": ["*"]}
    assert CohortKey.of(FORM, one.plus(every)) == CohortKey.of(FORM, same.plus(every))
    assert len({CohortKey.of(FORM, each.plus(every)) for each in (one, other, NONE)}) == 3


def test_who_names_the_same_shares_a_cohort_whatever_else_each_may_have() -> None:
    named = {"trades": ["A"]}
    restricted = NONE.within(grant(symbols=["A"]))
    assert CohortKey.of(FORM, restricted.plus(named)) == CohortKey.of(FORM, NONE.plus(named))


def test_a_name_beyond_the_wildcards_reach_is_kept_apart() -> None:
    key = CohortKey.of(FORM, NONE.within(grant(symbols=["A"])).plus({"trades": ["*", "B"]}))
    stream = Stream("sim", "trades", "B")
    assert key.streams == {(stream, 0.0)}
    assert not key.gets_of_kind(stream)
