"""What a checking client calls a fault."""

from typing import Any

import pytest

from feed.bench.continuity import Continuity


def trade(q: int, **more: Any) -> dict[str, Any]:
    return {"T": "t", "S": "A", "q": q, **more}


def answer(seq: int, **more: Any) -> dict[str, Any]:
    return {"T": "subscription", "streams": {"trades:A": {"epoch": "e", "seq": seq, **more}}}


GAP = {"T": "gap", "stream": "trades:A", "from": 11, "to": 14, "next": {"epoch": "e", "seq": 15}}


@pytest.mark.parametrize(
    ("messages", "faults"),
    [
        ([trade(11), trade(12)], {}),
        ([trade(11), trade(13)], {"skipped": 1}),
        ([trade(15)], {"skipped": 4}),
        ([trade(11), trade(11)], {"repeated": 1}),
        ([trade(14, m={"n": 4, "q0": 11}), trade(15)], {}),
        ([trade(14, m={"n": 3, "q0": 12})], {"skipped": 1}),
        ([GAP, trade(15)], {"gaps": 1}),
        ([{"T": "epoch", "stream": "trades:A", "epoch": "f", "seq": 20}, trade(20)], {}),
        ([{"T": "heartbeat"}, {"T": "success"}, trade(11)], {}),
        ([trade(11), answer(10, recovered=True), trade(12)], {}),
        ([trade(11), answer(10, recovered=False), trade(12)], {"lost": 1}),
    ],
)
def test_faults(messages: list[dict[str, Any]], faults: dict[str, int]) -> None:
    found = Continuity()
    found.take([answer(10)])
    found.take(messages)
    assert {name: getattr(found, name) for name in ("gaps", "skipped", "repeated", "lost")} == {
        "gaps": 0, "skipped": 0, "repeated": 0, "lost": 0, **faults
    }  # fmt: skip
    assert found.faults == sum(faults.values())


def test_it_resumes_after_the_last_that_it_had() -> None:
    found = Continuity()
    found.take([answer(10)])
    found.take([trade(11), trade(12)])
    assert found.since() == {"trades:A": {"epoch": "e", "seq": 12}}
