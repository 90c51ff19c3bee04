"""Selections, and which of them make the same cohort."""

from hypothesis import given
from hypothesis import strategies as st

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
