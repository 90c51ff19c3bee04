"""The live page under load: `pytest -m bench -s` shows the table, `python -m tests.browser.smooth` judges it."""

from typing import Any

import pytest

from tests.browser.smooth import PORTS, measured, page_of
from tests.integration.service import running

SYMBOLS, RATE = 200, 2_000


@pytest.mark.bench
@pytest.mark.timeout(180)
def test_two_hundred_rows_are_all_there_and_measured(browser: Any) -> None:
    with running("try", "demo", *PORTS, "--symbols", str(SYMBOLS), "--rate", str(RATE)) as demo:
        figures = measured(browser, page_of(demo.said), SYMBOLS, seconds=5)
    for name, value in figures.rows_of_table():
        print(f"{name:30} {value:>12}")
    assert figures.rows == SYMBOLS
    assert figures.updates_per_s > 0
    assert figures.thread.drawing
