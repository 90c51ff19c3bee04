"""A bounded slice of the parser's fuzzing, and that it would notice."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from feed.wire import commands
from tests.fuzz.corpus import corpus
from tests.fuzz.mutate import mutated
from tests.fuzz.parser import mutate, one, seeds
from tests.fuzz.shape import shaped

SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))
FEW = 5_000


def test_a_few_thousand_changed_commands_are_understood_or_refused() -> None:
    assert mutate(30, seed=1, most=FEW) == FEW


def test_a_seed_gives_the_same_bytes_again() -> None:
    first, second = ([mutated(chance, seeds(), 500) for _ in range(50)] for chance in map(random.Random, (7, 7)))
    assert first == second
    assert len(set(first)) > 25
    assert max(map(len, first)) <= 500


def test_every_seed_is_judged() -> None:
    assert len(seeds()) == 2 * (len(corpus(packed=False)) + len(corpus(packed=True))) + 20
    for data in seeds():
        one(data)


def test_shapes_are_commands() -> None:
    assert shaped(b"") == {"action": "auth"}
    assert shaped(b"\x01\x05\x18") == {"action": "subscribe", "trades": ["A", "*"]}


def test_a_parser_that_breaks_on_one_key_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = commands._command

    def broken(message: Any, depth: int) -> Any:
        if isinstance(message, dict) and "seq" in message:
            raise KeyError("seq")
        return whole(message, depth)

    monkeypatch.setattr(commands, "_command", broken)
    with pytest.raises(KeyError):
        mutate(30, seed=1)
    assert "of seed 1: b" in capsys.readouterr().err


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS * 2 + 60)
def test_bytes_that_follow_coverage_are_understood_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python and machine")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.parser", "--seconds", str(SECONDS), "--engine", "atheris",
         "--directory", str(tmp_path)],
        capture_output=True, text=True, timeout=SECONDS * 2 + 30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    tried = [int(line.split()[-1]) for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    print(f"\n{tried} inputs in {SECONDS} s")
    assert tried
    assert tried[0] > 1_000 * SECONDS
