"""Single faults, each with what a client may expect of it: a lost Redis, a client that changes gateways."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from feed.bus.embedded import ask
from tests.chaos import journal
from tests.chaos.audience import OWN, RAW, Audience
from tests.chaos.checker import check_directory
from tests.chaos.stage import Stage
from tests.chaos.tally import Column, Tally

Message = dict[str, Any]

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]

TICKING_S = 2.0
AWAY_S = 5.0


class Scene:
    """What every client was told, by its journal, after one act on a running service."""

    def __init__(self, directory: Path, mode: str, act: Callable[[Stage], None], rate: float = 250.0) -> None:
        with Stage(directory / "stage", mode, 1, rate=rate) as stage:
            stage.open_market()
            audience = [
                Audience("raw", RAW, {"trades": ["*"], "quotes": ["*"]}),
                Audience("own", OWN, {"trades": stage.symbols, "quotes": stage.symbols}),
            ]
            stage.admit(audience)
            time.sleep(TICKING_S)
            (stage.directory / "faults").write_text(f'[{time.time_ns()}, "act"]\n')
            act(stage)
            time.sleep(TICKING_S)
            assert stage.close_market() == []
        self.tally: Tally = check_directory(stage.directory)[0]
        self.journals = {each.name: list(journal.read(stage.journal(each.name))) for each in audience}
        assert self.tally.findings == []
        assert self.tally.total(Column.DELIVERED) > 0

    def told(self, client: str, what: str) -> list[Message]:
        lines = [line for line in self.journals[client] if line.what == "frame"]
        return [message for line in lines for message in line.content if message["T"] == what]

    def opened(self, client: str) -> list[str]:
        return [line.content[0] for line in self.journals[client] if line.what == "open"]

    def most_gaps(self, client: str) -> int:
        """How many gaps the stream with the most of them had."""
        streams = [gap["stream"] for gap in self.told(client, "gap")]
        return max((streams.count(stream) for stream in streams), default=0)


CLIENTS = ("raw", "own")


def restart(stage: Stage) -> None:
    if stage.persistence == "default":
        ask(stage.redis.port, b"SAVE", timeout_s=5.0)  # its save points are minutes apart
        time.sleep(1.0)
    stage.redis.kill()
    time.sleep(0.5)
    stage.redis.start()


def epochs_after_the_first(messages: Sequence[Message]) -> list[str]:
    return sorted(message["stream"] for message in messages if message["seq"] > 1)


def test_a_redis_that_saves_always_dies_and_nobody_misses_a_tick(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "always", restart)
    for client in CLIENTS:
        assert len(scene.opened(client)) == 1, "it stayed connected"
        assert scene.told(client, "gap") == []
        streams = epochs_after_the_first(scene.told(client, "epoch"))
        assert len(streams) == len(set(streams)) == 8, "one change of epoch a stream"
    assert scene.tally.total(Column.NAMED) == 0


@pytest.mark.parametrize("mode", ["default", "none"])
def test_a_redis_that_forgets_is_one_gap_a_stream_at_most(mode: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, mode, restart)
    for client in CLIENTS:
        assert len(scene.opened(client)) == 1
        assert scene.most_gaps(client) <= 1
    assert scene.tally.total(Column.NAMED) == 0, "the gateways had heard all of it"


def restart_with_losses(stage: Stage) -> None:
    """What is published while no gateway listens is forgotten with Redis."""
    for gateway in stage.gateways:
        gateway.signal(signal.SIGSTOP)
    ask(stage.redis.port, b"CLIENT KILL TYPE pubsub")
    time.sleep(1.0)
    restart(stage)
    for gateway in stage.gateways:
        gateway.signal(signal.SIGCONT)


@pytest.mark.parametrize("mode", ["default", "none"])
def test_what_redis_forgot_before_anybody_heard_it_is_one_gap_that_names_it(mode: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, mode, restart_with_losses)
    for client in CLIENTS:
        assert len(scene.opened(client)) == 1
        gaps = scene.told(client, "gap")
        assert gaps
        assert {gap["cause"] for gap in gaps} == {"bus"}
        assert scene.most_gaps(client) == 1
    assert scene.tally.total(Column.NAMED) > 0
    assert scene.tally.total(Column.SPARE) == 0, "the gaps name what was lost, and no more"


def test_a_redis_set_back_by_thousands_drops_nothing_as_old(tmp_path: Path) -> None:
    stands: list[int] = []

    def stream_at(stage: Stage) -> int:
        return int(ask(stage.redis.port, b"HGET {binance:quotes:AAPL}:meta seq").split()[1])

    def set_back(stage: Stage) -> None:
        stage.keep_snapshot()
        kept = stream_at(stage)
        stage.until(lambda: stream_at(stage) > kept + 3_000, "thousands of ticks")
        stands.append(stream_at(stage))
        stage.redis.kill()
        stage.set_back()
        for worker in stage.workers:
            worker.signal(signal.SIGSTOP)
        stage.redis.start()
        stands.append(stream_at(stage))
        for worker in stage.workers:
            worker.signal(signal.SIGCONT)

    scene = Scene(tmp_path, "default", set_back, rate=1500.0)
    assert stands[0] - stands[1] > 3_000
    for client in CLIENTS:
        assert len(scene.opened(client)) == 1
        assert scene.most_gaps(client) <= 1
    assert scene.tally.total(Column.NAMED) == 0


def kill_and_resume(stage: Stage) -> None:
    for client in stage.clients.values():
        client.kill()
    time.sleep(AWAY_S)
    for name in stage.clients:
        stage.resume_elsewhere(name)


def test_a_killed_client_goes_on_elsewhere_with_the_very_next_number(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "none", kill_and_resume)
    for client in CLIENTS:
        first, second = scene.opened(client)
        assert first != second, "another gateway"
        assert scene.told(client, "gap") == []
        seqs: dict[str, int] = {}
        for message in [*scene.told(client, "t"), *scene.told(client, "q")]:
            stream = f"{message['T']}:{message['S']}"
            assert message["q"] == seqs.get(stream, message["q"] - 1) + 1
            seqs[stream] = message["q"]
        assert len(seqs) == 8
