"""Byte-level fuzzing of the command parser, in both encodings and at both depths.

    python -m tests.fuzz.parser --seconds 600 --seed 1

With atheris the bytes follow what they cover in `feed.wire`; elsewhere (`--engine mutate`) they are seeds changed at
random, the same for the same seed. Ends with 1 and the bytes at the first that break a rule of `judge`.
"""

import argparse
import importlib.util
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgpack
import orjson

from tests.fuzz.corpus import corpus
from tests.fuzz.mutate import mutated
from tests.fuzz.shape import shaped

MOST_BYTES: Final = 8_192
# One input may take so much, and the process so much: far more than either needs.
INPUT_S: Final = 5
PROCESS_MB: Final = 512


def one(data: bytes) -> None:
    """Judges one input: the first byte chooses encoding and depth, the others are the message or what makes it."""
    from tests.fuzz.judge import judged

    if data:
        packed = bool(data[0] & 2)
        message = encoded(shaped(data[1:]), packed=packed) if data[0] & 4 else data[1:]
        judged(message, 1 + (data[0] & 1), packed=packed)


def encoded(command: object, *, packed: bool) -> bytes:
    return msgpack.packb(command) if packed else orjson.dumps(command)  # type: ignore[no-any-return]


def seeds() -> list[bytes]:
    plain = [bytes([way]) + data for way in range(4) for data in corpus(packed=bool(way & 2))]
    return plain + [bytes([way, action, *range(action, 40, 3)]) for way in range(4, 8) for action in range(5)]


def cover(seconds: int, seed: int, directory: Path) -> None:
    """Follows coverage with atheris, which keeps what it finds in a directory, and ends the process with 0 or not."""
    import atheris

    with atheris.instrument_imports(include=["feed.wire", "feed.core"]):
        import feed.wire.commands  # noqa: F401 - before anything else imports it
    for number, data in enumerate(seeds()):
        (directory / f"seed-{number}").write_bytes(data)
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MOST_BYTES}", f"-timeout={INPUT_S}",
         f"-rss_limit_mb={PROCESS_MB}", "-verbosity=1", "-print_final_stats=1", f"-artifact_prefix={directory}/",
         str(directory)],
        one,
    )  # fmt: skip
    atheris.Fuzz()


def mutate(seconds: float, seed: int, most: int = sys.maxsize) -> int:
    """Judges changed seeds until time or number is up. Answers how many."""
    chance, known, tried = random.Random(seed), seeds(), 0
    end = time.monotonic() + seconds
    while tried < most and time.monotonic() < end:
        data = mutated(chance, known, MOST_BYTES)
        tried += 1
        try:
            one(data)
        except BaseException:
            print(f"input {tried} of seed {seed}: {data!r}", file=sys.stderr)
            raise
    return tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser.add_argument("--engine", choices=("atheris", "mutate"), default="atheris" if has_atheris else "mutate")
    parser.add_argument("--directory", type=Path, help="where atheris keeps its corpus and what it finds")
    options = parser.parse_args()
    if options.engine == "atheris":
        cover(options.seconds, options.seed, options.directory or Path(tempfile.mkdtemp(prefix="feed-fuzz-")))
    print(f"{mutate(options.seconds, options.seed)} inputs, none broke a rule")


if __name__ == "__main__":
    main()
