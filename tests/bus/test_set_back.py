"""A Redis that was set back to before the last epoch: who stood in that epoch, or left it long ago, finds on."""

import asyncio
import shutil

import redis

from feed.bus import names
from feed.bus.embedded import EmbeddedServer, ask
from feed.core.streams import Position
from tests.bus.test_flow import A, Bus, flow, running, trade


def test_the_epoch_that_redis_never_heard_of_is_no_gap_for_those_who_stood_in_it() -> None:
    async def main(server: EmbeddedServer) -> None:
        async with running(Bus(server.url)) as bus:
            await bus.open(A)
            epochs = []
            for life in range(3):
                for number in range(10 * life + 1, 10 * life + 11):
                    bus.publisher.offer(trade("A", number))
                await bus.got(A, *range(1, 10 * life + 11))
                assert bus.publisher._lanes["trades", "A"].epoch is not None
                epochs.append(bus.publisher._lanes["trades", "A"].epoch.decode())  # type: ignore[union-attr]
                if life == 0:
                    assert ask(server.port, b"SAVE").startswith(b"+OK")
                    shutil.copy(server.directory / "dump.rdb", server.directory / "old.rdb")
                server.kill()
                shutil.copy(server.directory / "old.rdb", server.directory / "dump.rdb")
                server.start()
            bus.publisher.offer(trade("A", 31))
            await bus.got(A, *range(1, 32))
            assert not bus.ear.said(A, "gap")
            assert bus.ear.seqs(A) == list(range(1, 32))
            # whoever comes back after having left in an epoch that only the worker remembers
            bus.subscriber.unwant(A)
            bus.ear.heard.clear()
            bus.subscriber.want(A, Position(epochs[2], 28))
            await bus.ear.until(lambda: 31 in bus.ear.ids(A), "the tick after the last restart")
            assert bus.ear.said(A, "gap") == [("gap", 29, 30, 31)], "Redis was set back: these are gone"
            assert epochs[0] != epochs[1] != epochs[2]

    with EmbeddedServer() as server:
        asyncio.run(main(server))


def test_what_a_process_forgot_that_lives_on_is_given_no_number_twice(redis_url: str) -> None:
    """As a master that was given up and put back, before it had what its successor published."""

    async def body(bus: Bus) -> None:
        await bus.open(A)
        with redis.Redis.from_url(redis_url) as client:
            bus.publisher.offer(trade("A", 1))
            await bus.got(A, 1)
            kept = {key: client.dump(key) for key in (names.meta_key(A), names.log_key(A))}
            bus.publisher.offer(trade("A", 2))
            bus.publisher.offer(trade("A", 3))
            await bus.got(A, 1, 2, 3)
            for key, data in kept.items():
                client.restore(key, 0, data, replace=True)  # type: ignore[arg-type]
        bus.publisher.offer(trade("A", 4))
        await bus.got(A, 1, 2, 3, 4)
        assert bus.ear.seqs(A) == [1, 2, 3, 4]

    flow(redis_url, body)
