"""The traced stream on terminals, wide and narrow: everything is there, and no number is cut."""

import io

import pytest
from rich.console import Console

from feed.trace.look import Look, without_redis
from feed.trace.screen import WIDE, screen
from tests.trace.looks import AT_MS, SILENCE, STREAM, T, call, gateway, look, ms, slow, standing, worker

WIDTHS = pytest.mark.parametrize("width", [80, WIDE, 140])
LONG = "market-data-gateway-7d9f8b6c5-x2x7k-31909"


def drawn(of: Look, width: int, *, asking: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(screen(of, width, asking=asking))
    text = out.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    return text


def full() -> Look:
    first = look(now=standing(100, call("w1", 5, 1, 100), at_ms=AT_MS - 1_000))
    return look(
        worker("w1"), worker("w2", venue_up=False, unpublished=12, oldest_s=3.5),
        gateway(LONG, "gateway worker 1", seq=1_234_567_890, behind=12_345, clients=15_000, slow_clients=2,
                slow=(slow("c7", key="fk_aaaabbbbccccdddd"), slow("c8", lag_s=0.0, behind=None, resumes=True)),
                hops={"publish_to_gateway": ms(999.99, 59_000.0), "gateway_to_socket": ms(0.05, 0.1)}),
        gateway("gw-2", reads=False),
        now=standing(132, call("w1", 7, 120, 132)), before=first,
        venue_to_ingest=ms(-1_270.0, 12.0), ingest_to_publish=ms(0.1), publish_to_here=ms(0.5),
    )  # fmt: skip


@WIDTHS
def test_everything_is_there_and_no_number_is_cut(width: int) -> None:
    text = drawn(full(), width)
    for words in (
        "binance:trades:BTC/USDT  ● live   32.0 entries/s   2 slow", "epoch e1  seq 132", "w1  publishes  venue up",
        "w2  repeats  venue down  waiting 12, 3.5 s", "1,234,567,890", "12,345", "15,000", "not read",
        "venue → ingest", "-1.27 s", "999.99 ms", "59.00 s",
        "publish → here", "203.0.113.7", "2.5 s", "264.0 kB", "7,384",
        "31909 #1", "w2 has no connection to the venue", "the later clock is behind by",
    ):  # fmt: skip
        assert words in text, f"{words!r} not in\n{text}"
    assert text.count("most") == 1
    (slowest,) = (line for line in text.splitlines() if "most" in line)
    assert slowest.startswith("publish → gateway")
    assert ("fk_aaaabbbbccccdddd" in text) == ("resumes" in text) == (width >= WIDE)


@WIDTHS
def test_redis_away(width: int) -> None:
    text = drawn(without_redis(T, STREAM, "cannot connect to Redis: refused", SILENCE), width)
    assert "● Redis is away" in text
    assert "cannot connect to Redis: refused; it is asked again each second" in " ".join(text.split())


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (look(now=standing(0)), "● unknown so far"),
        (look(), "● live"),
        (look(before=look(now=standing(132, at_ms=AT_MS - 1_000))), "● quiet   0.0 entries/s"),
    ],
)
def test_the_state_is_in_a_word(of: Look, words: str) -> None:
    assert words in drawn(of, 80)


def test_at_first_nobody_is_said_to_be_missing() -> None:
    nobody = look(gateway(reads=False))
    assert "no ingest worker" in drawn(nobody, 80)
    assert "no ingest worker" not in drawn(nobody, 80, asking=True)
    assert "the processes are asked" in drawn(nobody, 80, asking=True)


def test_brackets_in_a_name_are_no_markup() -> None:
    crowd = gateway("gw[/1]", slow_clients=2, slow=(slow("c7", key="ops[/team]"), slow("c8", key="team[red]x")))
    text = drawn(look(crowd), 140)
    assert "ops[/team]" in text
    assert "team[red]x" in text
    assert "gw[/1]" in text
