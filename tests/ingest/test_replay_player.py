"""The one clock of a replay: when it starts, who joins it, and whom it waits for."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from feed.ingest.replay import player
from feed.ingest.replay.recording import merge
from feed.ingest.replay.survey import survey
from tests.ingest.replaying import connect, made, playing, stalled, take
from tests.ingest.venue_server import until
from tests.instant import InstantLoop


def test_the_clock_waits_for_the_first_subscription_and_later_clients_join(tmp_path: Path) -> None:
    async def main() -> None:
        # 40 frames, 5 s apart, at a speed of 100: one each 50 ms
        async with playing([made(tmp_path, 40, step_s=5)], speed=100) as replay:
            base = f"ws://127.0.0.1:{replay.port}"
            async with connect(f"{base}/ws") as first, connect(f"{base}/ws") as second:
                await first.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                assert await take(first, 1) == [{"result": [], "id": 1}]
                assert replay.progress() == (0, 40, 0, 0.0, 2, False, 0)
                await first.send('{"method":"SUBSCRIBE","params":["ab@trade"],"id":2}')
                assert [frame.get("t") for frame in await take(first, 6)] == [None, 0, 1, 2, 3, 4]
                await second.send('{"method":"SUBSCRIBE","params":["ab@trade"],"id":3}')
                ack, joined, following = await take(second, 3)
                assert ack == {"result": None, "id": 3}
                assert joined["t"] >= 5
                assert following["t"] == joined["t"] + 1
                now = replay.progress()
                assert now.elapsed_s > 0
                assert now.position_ns == (1_700_000_000 + (now.frames_sent - 1) * 5) * 10**9
                await first.send('{"method":"UNSUBSCRIBE","params":["ab@trade"],"id":4}')
                while "result" not in (frame := (await take(first, 1))[0]):
                    pass
                assert frame["id"] == 4
                await until(lambda: replay.progress().finished)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(first.recv(), 0.01)

    asyncio.run(main())


def test_without_a_clock_nothing_is_played_to_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        count = 20 * player.BATCH_FRAMES
        async with playing([made(tmp_path, count)]) as replay:
            url = f"ws://127.0.0.1:{replay.port}/ws/ab@trade"
            async with connect(url, max_queue=1) as client:
                await take(client, 10)
            await until(lambda: replay.progress().clients == 0)
            sent = replay.progress().frames_sent
            assert sent < count
            async with connect(url) as client:
                (frame,) = await take(client, 1)
                assert frame["t"] in (sent, sent + player.BATCH_FRAMES)
                await until(lambda: replay.progress().finished)

    asyncio.run(main())


def test_the_clock_waits_for_a_slow_client_and_then_gives_it_up(tmp_path: Path) -> None:
    async def main() -> None:
        count = 3_000  # of 10 kB: more than the kernel and the queue hold
        async with playing([made(tmp_path, count, padding=10_000)], patience_s=0.2) as replay:
            with await stalled(replay.port):
                await until(lambda: replay.progress().clients == 1)
                async with connect(f"ws://127.0.0.1:{replay.port}/ws/ab@trade") as good:
                    (first,) = await take(good, 1)
                    rest = await take(good, count - 1 - first["t"])
                    assert [frame["t"] for frame in rest] == list(range(first["t"] + 1, count))
                    progress = replay.progress()
                    assert (progress.dropped_clients, progress.clients, progress.finished) == (1, 1, True)
                    assert progress.elapsed_s > 0.2

    asyncio.run(main())


class Stuck:
    """A client that takes nothing until it is told to."""

    def __init__(self, topics: set[str]) -> None:
        self.dialogue = SimpleNamespace(topics=topics)
        self.backlog_bytes = player.BACKLOG_BYTES + 1
        self.offered = 0

    def offer(self, *_: object) -> None:
        self.offered += 1

    def flush(self, _: float) -> None:
        pass


def test_what_was_held_up_comes_no_faster_afterwards(tmp_path: Path) -> None:
    async def main() -> None:
        paths = [made(tmp_path, 11)]
        recorded_s, held_s = 10 / 50, 0.2
        playing_ = player.Player(merge(paths), survey(paths, None).persona, speed=50, patience_s=3_600)
        stuck = Stuck({"ab@trade"})
        playing_.clients.add(stuck)
        playing_.subscriptions_changed()
        asyncio.get_running_loop().call_later(held_s, setattr, stuck, "backlog_bytes", 0)
        await playing_.play()
        assert stuck.offered == 11
        # the wait begins after the first pause of 20 ms, and is looked at each 5 ms
        took_s = playing_.ended_s - playing_.began_s
        assert took_s == pytest.approx(recorded_s + held_s - 0.02, abs=player.BACKLOG_PAUSE_S + 1e-6)

    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        runner.run(main())


def test_a_client_that_is_slow_for_a_while_loses_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        count = 3_000
        async with (
            playing([made(tmp_path, count, padding=10_000)]) as replay,
            connect(f"ws://127.0.0.1:{replay.port}/ws/ab@trade", max_queue=1) as client,
        ):
            (slow,) = replay._player.clients
            await until(lambda: slow.backlog_bytes > player.BACKLOG_BYTES)
            assert replay.progress().frames_sent < count
            assert [frame["t"] for frame in await take(client, count)] == list(range(count))
            assert replay.progress().dropped_clients == 0

    asyncio.run(main())
