"""Two ingest workers on one market, killed in turn: every recorded trade reaches a client once and in order.

    python -m tests.integration.two_workers FILE... --kills 50 --seed 1

Starts one Redis, `feed replay` (whose connections all hear one playback, as at a venue), `feed gateway` and two
`feed ingest binance`; an independent client reads trades. One worker is killed (SIGKILL) at a random moment and started
again, then a random one again. With --outages N both are killed N times: then, and only then, trades are missing, and
a gap must name exactly their ids. Exit code 0 if all that was recorded is accounted for.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import websockets

from feed.bus.embedded import EmbeddedServer
from tests.integration.real_ticks import SYMBOLS, recorded
from tests.integration.service import Service, running
from tests.integration.workers import end, start_worker

KNOBS = {
    "ingest": {"backoff_min_s": 0.05, "backoff_max_s": 0.1},
    "binance": {"symbols": list(SYMBOLS.values())},
}
QUIET_S = 3.0  # longer than a hole is held open for a peer


@dataclass
class Story:
    """What a client got of one symbol, in order: a trade's id, or the ids (first, last) that a gap named."""

    entries: list[int | tuple[int, int]] = field(default_factory=list)
    seq: int = 0

    def faults(self, symbol: str, recorded_ids: Sequence[int], outages: int) -> Iterator[str]:
        """What is wrong with it: each id must come once, in order, or stand in a gap; gaps only for outages."""
        due = iter(recorded_ids)
        for entry in self.entries:
            first, last = entry if isinstance(entry, tuple) else (entry, entry)
            for expected in range(first, last + 1):
                if next(due, None) != expected:
                    yield f"{symbol}: {entry} is not what follows: due were the ids from {expected} on"
                    return
        left = sum(1 for _ in due)
        gaps = [entry for entry in self.entries if isinstance(entry, tuple)]
        if left:
            yield f"{symbol}: {left} trades are missing at the end"
        if len(gaps) > outages:
            yield f"{symbol}: {len(gaps)} gaps for {outages} outages: {gaps}"


class Reader:
    """A JSON client of depth two."""

    def __init__(self) -> None:
        self.stories = {symbol: Story() for symbol in SYMBOLS.values()}
        self.faults: list[str] = []
        self.heard = 0

    async def read(self, url: str, subscribed: asyncio.Event) -> None:
        """Reads until cancelled."""
        async with websockets.connect(f"{url}/v2/binance", subprotocols=["feed.v1.json"]) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"action": "subscribe", "trades": list(SYMBOLS.values())}))
            async for frame in socket:
                for message in json.loads(frame):
                    if message["T"] == "subscription":
                        subscribed.set()
                    elif message["T"] in ("t", "gap"):
                        self._take(message)
                    elif message["T"] == "error":
                        self.faults.append(f"told of {message}")

    def _take(self, message: dict[str, object]) -> None:
        self.heard += 1
        symbol = str(message["S"] if message["T"] == "t" else str(message["stream"]).partition(":")[2])
        story = self.stories[symbol]
        if "q" not in message or int(str(message["q"])) != story.seq + 1:
            self.faults.append(f"{symbol}: after q {story.seq} came {message}")
        story.seq = int(str(message.get("q", story.seq)))
        if message["T"] == "t":
            story.entries.append(int(str(message["i"])))
        elif message.get("cause") == "venue" and isinstance(ids := message.get("ids"), list):
            story.entries.append((ids[0], ids[1]))
        else:
            self.faults.append(f"{symbol}: told of {message}")


class Pair:
    """The two workers. Starting one takes until ticks can flow to it."""

    def __init__(self, stack: ExitStack, folder: Path, redis_url: str, venue_url: str) -> None:
        self._folder, self._redis_url, self._venue_url = folder, redis_url, venue_url
        self._workers: list[Service] = []
        stack.callback(lambda: [end(worker) for worker in self._workers])

    def start(self) -> None:
        self._workers = [self._start("w1"), self._start("w2")]

    def kill(self, which: int) -> None:
        self._workers[which].process.kill()
        self._workers[which].process.wait()

    def revive(self, which: int) -> None:
        end(self._workers[which])
        self._workers[which] = self._start(f"w{which + 1}")

    def _start(self, name: str) -> Service:
        return start_worker(self._folder, name, self._redis_url, self._venue_url, KNOBS)


def run(
    files: Sequence[Path], speed: float, kills: int, outages: int, seed: int, say: Callable[[str], None]
) -> list[str]:
    """Plays the files through the service while workers die; answers what was wrong."""
    truth = {symbol: [trade.id for trade in trades] for symbol, trades in recorded(files).items()}
    say(f"{sum(map(len, truth.values())):,} trades, {kills} kills, {outages} outages, seed {seed}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(EmbeddedServer())
        gateway = stack.enter_context(
            running("listening", "gateway", "--redis", redis.url, "--port", "0", "--admin-port", "0")
        )
        replay = stack.enter_context(running("listening", "replay", *files, "--port", "0", "--speed", f"{speed:g}"))
        pair = Pair(stack, folder, redis.url, replay.url("ws"))
        reader = Reader()
        asyncio.run(
            _scene(reader, gateway.url("http").replace("http", "ws", 1), pair, kills, outages, random.Random(seed))
        )
    faults = reader.faults[:10]
    for symbol, story in reader.stories.items():
        faults += story.faults(symbol, truth[symbol], outages)
        gaps = [entry for entry in story.entries if isinstance(entry, tuple)]
        say(f"{symbol}: {len(story.entries) - len(gaps):,} of {len(truth[symbol]):,} trades, gaps {gaps}")
    return faults


async def _scene(reader: Reader, url: str, pair: Pair, kills: int, outages: int, chance: random.Random) -> None:
    subscribed = asyncio.Event()
    reading = asyncio.create_task(reader.read(url, subscribed))
    try:
        await asyncio.wait_for(subscribed.wait(), 30)
        await asyncio.to_thread(pair.start)
        turns = [False] * kills + [True] * outages
        chance.shuffle(turns)
        for both in turns:
            await asyncio.sleep(chance.uniform(0.2, 1.5))  # both work; a random moment of it
            dead = [0, 1] if both else [chance.randrange(2)]
            for which in dead:
                pair.kill(which)
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            for which in dead:
                await asyncio.to_thread(pair.revive, which)
        heard = -1
        while reader.heard > heard and not reading.done():
            heard = reader.heard
            await asyncio.sleep(QUIET_S)  # the end of a recording is silence
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--speed", type=float, default=2.0)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--outages", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    faults = run(asked.files, asked.speed, asked.kills, asked.outages, asked.seed, print)
    for fault in faults:
        print(fault, file=sys.stderr)
    print("every trade once and in order, or named" if not faults else "FAILED")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
