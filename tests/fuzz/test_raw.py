"""A bounded slice of the attacks on a real gateway; longer by hand: python -m tests.fuzz.raw --seconds 600 --seed 2"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.fuzz.commands import is_in
from tests.fuzz.frames import Door
from tests.fuzz.raw import ATTACKS, Report, Row, attack, table
from tests.fuzz.target import FAULT, target

SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))


@pytest.mark.parametrize("kind", ATTACKS, ids=lambda kind: kind.__name__)
def test_a_seed_makes_the_same_attempt_again(kind) -> None:  # type: ignore[no-untyped-def]
    for seed in range(5):
        first, second = (kind(random.Random(seed), Door()) for _ in range(2))
        assert first == second
        assert first.writes


@pytest.mark.parametrize(
    ("said", "let_in"),
    [
        (b'\x81\x05[{"T":"success","msg":"authenticated"}]', True),
        (b'[{"T":"error","code":401,"msg":"not authenticated"}]', False),
        (b"\x91\x82\xa1T\xa7success\xa3msg\xadauthenticated", True),
        (b"\x91\x83\xa1T\xa5error\xa4code\xcd\x01\x91\xa3msg\xb1not authenticated", False),
        (b'[{"T":"success","msg":"connected"}]', False),
        (b'{"feed":"sim","symbols":[]}', True),
        (b'[{"T":"t","S":"A","p":1.0}]', True),
    ],
)
def test_who_is_in_is_known_by_what_is_said(said: bytes, let_in: bool) -> None:
    assert is_in(said) is let_in


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"event": "slow_client_cut", "level": "warning"}', False),
        ('{"event": "Error handling request", "level": "error", "exception": []}', True),
        ("Traceback (most recent call last):", True),
        ("Task exception was never retrieved", True),
        ("feed gateway: listening on http://127.0.0.1:1", False),
    ],
)
def test_faults_are_known_in_the_log(line: str, fault: bool) -> None:
    assert bool(FAULT.search(line)) is fault


@pytest.mark.parametrize("bad", ["let_in", "crashed", "held", "unanswered"])
def test_one_bad_row_is_enough(bad: str) -> None:
    assert Report([Row("a", tried=3)]).passed
    assert not Report([Row("a", tried=3), Row("b", tried=3, **{bad: 1})]).passed
    assert not Report([Row("a", tried=3)], ["a hole"]).passed


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS * 4 + 120)
def test_nobody_gets_in_and_nothing_breaks(tmp_path: Path) -> None:
    with target(tmp_path) as place:
        report = asyncio.run(attack(place, SECONDS, seed=1))
        assert place.secret not in (tmp_path / "gateway.out").read_text(errors="replace")
    print("\n" + table(report))
    assert report.passed
    assert all(row.tried for row in report.rows)
