"""What a tick costs the worker that reads it from its venue: real processes, recorded frames, at several paces.

python -m tests.bench.worker_cost FILE... [--symbols 200] [--paces 1,5,20,60] [--seconds 4]

The frames are of Binance, as recorded; with `--symbols` each tick is made one of another symbol, so that a call seldom
has more than one, as with a market of many symbols that each trade now and then.
"""

import argparse
import gzip
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from feed.bench.cpu import cpu_ns
from feed.bus.embedded import EmbeddedServer
from tests.integration.scrapes import Scraped
from tests.integration.service import running

SETTLES_S: Final = 1.5
RECORDED: Final = ("BTCUSDT", "ETHUSDT")
TICK: Final = re.compile(r'^(\d+) .*"(\w+)@(trade|bookTicker)"')


class Cost(NamedTuple):
    """Of one tick, at so many a second, so many of them in a call: microseconds of the worker's core."""

    ticks_per_s: float
    ticks_a_call: float
    worker_us: float


def spread(files: Iterable[Path], many: int, to: Path) -> list[str]:
    """Writes the files' ticks in the order of their times, each one of the next of so many symbols; answers those."""
    names = [f"S{number:03d}USDT" for number in range(many)]
    ticks: list[tuple[int, str]] = []
    for path in files:
        with gzip.open(path, "rt") as lines:
            ticks += [(int(found[1]), line) for line in lines if (found := TICK.match(line))]
    ids: Counter[tuple[str, str]] = Counter()  # without holes, or the worker would publish gaps as well
    with gzip.open(to, "wt", compresslevel=1) as out:
        for number, (_, line) in enumerate(sorted(ticks)):
            symbol, kind = names[number % many], "t" if "@trade" in line else "u"
            ids[symbol, kind] += 1
            was = next(name for name in RECORDED if name in line)
            line = line.replace(was, symbol).replace(was.lower(), symbol.lower())
            out.write(re.sub(rf'"{kind}":\d+', f'"{kind}":{ids[symbol, kind]}', line, count=1))
    return names


def cost_at(files: Sequence[Path], symbols: Sequence[str], speed: float, seconds: float) -> Cost:
    """A worker that reads the files so many times as fast as they were recorded. `speed` 0 is as fast as it can."""
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedServer())
        replay = stack.enter_context(running("listening", "replay", *files, "--port", "0", "--speed", f"{speed:g}"))
        wanted = ",".join(name.replace("USDT", "/USDT") for name in symbols)
        worker = stack.enter_context(
            running(
                "publishing", "ingest", "binance", "--redis", redis.url, "--venue-url", replay.url("ws"),
                "--symbols", wanted, "--admin-port", "0",
            )
        )  # fmt: skip
        scraped = Scraped(worker)
        time.sleep(SETTLES_S)
        before, cpu, began = _published(scraped), cpu_ns(worker.process.pid), time.monotonic()
        time.sleep(seconds)
        cpu, took_s = cpu_ns(worker.process.pid) - cpu, time.monotonic() - began
        ticks, calls = (after - at for after, at in zip(_published(scraped), before, strict=True))
        assert ticks, "nothing was published"
        return Cost(ticks / took_s, ticks / calls, cpu / 1e3 / ticks)


def _published(scraped: Scraped) -> tuple[float, float]:
    return scraped.sum("feed_publish_ticks_total"), scraped.sum("feed_publish_calls_total")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a tick costs the worker that reads it.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--symbols", type=int, default=0, help="0 leaves the recorded ones")
    parser.add_argument("--paces", default="1,5,20,60")
    parser.add_argument("--seconds", type=float, default=4.0)
    asked = parser.parse_args()
    print("| times the recorded pace | ticks a second | ticks a call | worker, us a tick |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        files, names = asked.files, list(RECORDED)
        if asked.symbols:
            files = [Path(folder) / "spread.gz"]
            names = spread(asked.files, asked.symbols, files[0])
        for pace in asked.paces.split(","):
            found = cost_at(files, names, float(pace), asked.seconds)
            cells = f"{found.ticks_per_s:,.0f} | {found.ticks_a_call:.1f} | {found.worker_us:.0f}"
            print(f"| {pace} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
