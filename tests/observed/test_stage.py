"""The stage itself: parts that are taken away and brought back are found where they were, by all that know them."""

from pathlib import Path

import pytest

from tests.observed.prometheus import program
from tests.observed.stage import BINANCE, CREW, GUARDED, SIM, stage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


def test_parts_go_and_come_back(tmp_path: Path) -> None:
    program("prometheus")
    with stage(tmp_path, pods=[SIM, BINANCE[0], CREW, GUARDED], audience=False) as on:
        prometheus = on.prometheus
        reader = on.reader("binance", GUARDED, trades=["*"], stamps=True)
        on.crowd.join(reader)
        assert prometheus.value("sum(up)") == 4
        before = {target["scrapeUrl"] for target in prometheus.targets()}

        on.kill(BINANCE[0])
        prometheus.until(lambda: prometheus.value(f'up{{pod="{BINANCE[0]}"}}') == 0, "it is gone")
        on.start(BINANCE[0])
        prometheus.await_targets()
        assert {target["scrapeUrl"] for target in prometheus.targets()} == before
        assert {f"http://{target.address}/metrics" for target in on.targets()} == before

        on.market.mute = True
        silent = "feed_ingest_last_tick_age_seconds{feed='binance'} > 0.5"
        prometheus.until(lambda: prometheus.value(silent), "it is mute")
        on.market.mute = False
        seen = reader.delivered
        on.crowd.until(lambda: reader.delivered > seen + 20, "ticks come again")

        port = int(on.market.url.rpartition(":")[2])
        on.crowd.close_market()
        connected = "feed_ingest_connected{feed='binance'}"
        prometheus.until(lambda: prometheus.value(connected) == 0, "the venue is gone")
        on.crowd.open_market(port)
        prometheus.until(lambda: prometheus.value(connected) == 1, "the venue is back")

        on.crowd.leave(reader)
        on.stop(GUARDED)
        on.start(GUARDED)
        on.crowd.join(reader)
        assert reader.got["gap"] > 0, "nobody read the venue meanwhile, and clients were told"
