"""Whom of a cluster's nodes is believed: made-up answers, in the order in which they come."""

import asyncio

import pytest

from feed.bus.errors import BusDown, BusRefused
from feed.bus.survey import PATIENCE_S, Survey, survey
from feed.bus.topology import Node, Topology, View

A, B, C = Node("a", 1), Node("b", 2), Node("c", 3)
OLD, NEW = Topology.single(A), Topology.single(B)
SOUND = View(NEW, serving=True, epoch=9)
ALONE = View(OLD, serving=False, epoch=8)
EMPTY = View(Topology({}), serving=True, epoch=1)

Said = View | Exception | None


def asked(said: dict[Node, Said]) -> tuple[Survey, list[Node]]:
    """What a survey finds where nodes say this, and whom it asked. None: nothing, for ever."""
    heard: list[Node] = []

    async def ask(node: Node) -> View:
        heard.append(node)
        answer = said[node]
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, View)
        return answer

    async def main() -> Survey:
        found = await survey(tuple(said), ask)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody is asked any more"
        return found

    return asyncio.run(main()), heard


def test_the_first_who_knows_is_the_only_one_asked() -> None:
    assert asked({A: SOUND, B: ALONE, C: None}) == (Survey(SOUND, A, ""), [A])


@pytest.mark.parametrize("first", [ALONE, EMPTY, BusDown("gone"), None])
def test_one_who_does_not_know_is_passed_over(first: Said) -> None:
    found, heard = asked({A: first, B: SOUND, C: None})
    assert (found.view, found.of) == (SOUND, B)
    assert heard == [A, B, C]


def test_where_nobody_takes_part_the_one_who_saw_most_is_believed() -> None:
    later = View(NEW, serving=False, epoch=9)
    found, _ = asked({A: ALONE, B: BusDown("gone"), C: later})
    assert (found.view, found.of) == (later, C)
    assert found.trouble == "a:1: its cluster_state is not ok; b:2: gone; c:3: its cluster_state is not ok"


def test_the_same_troubles_are_the_same_words_in_whichever_order_they_come() -> None:
    """The log would tell of each order as of news."""
    found = [asked({node: ALONE._replace(epoch=node.port) for node in order})[0] for order in ((A, B, C), (C, B, A))]
    assert [each.of for each in found] == [C, C]
    assert found[0].trouble == found[1].trouble


def test_one_who_hangs_is_not_waited_for_where_another_said_something() -> None:
    assert PATIENCE_S < 1
    found, _ = asked({A: None, B: ALONE, C: None})
    assert (found.view, found.of) == (ALONE, B)


def test_where_nobody_tells_each_ones_trouble_is_named() -> None:
    with pytest.raises(BusDown, match=r"^a:1: no; b:2: nothing$"):
        asked({A: BusDown("no"), B: BusDown("nothing")})


def test_what_is_a_mistake_in_the_settings_is_told_as_such() -> None:
    with pytest.raises(BusRefused, match="no cluster"):
        asked({A: BusRefused("no cluster"), B: SOUND})
