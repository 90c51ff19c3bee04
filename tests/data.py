"""Recorded market data that lies beside the project: tests that want it skip where it is absent."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FEED_TEST_DATA", ROOT.parent / "shared" / "data"))


def recording(name: str) -> Path:
    """The path of a recording such as `binance_spot/btcusdt_20240808.gz`; skips the test where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded data {name} is not in {DATA} (set FEED_TEST_DATA to its folder)")
    return path
