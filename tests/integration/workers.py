"""Real ingest workers of one feed, each under a name of its own, that tests may kill, stop and start again."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.integration.service import Service


def start_worker(
    folder: Path, name: str, redis_url: str, venue_url: str, sections: Mapping[str, Mapping[str, object]]
) -> Service:
    """`feed ingest binance` as worker `name`, from when ticks can flow. `sections` are settings beside its name."""
    config = folder / f"{name}.toml"
    lines = []
    for section, knobs in ({"ingest": {}} | dict(sections)).items():
        named = {"worker_id": name} if section == "ingest" else {}
        lines += [f"[{section}]", *(f"{knob} = {json.dumps(value)}" for knob, value in {**named, **knobs}.items())]
    config.write_text("\n".join(lines))
    worker = Service(
        "ingest", "binance", "--config", config, "--redis", redis_url, "--admin-port", "0", "--venue-url", venue_url
    )  # fmt: skip
    try:
        worker.await_ready("publishing")
    except BaseException:
        end(worker)
        raise
    return worker


def end(worker: Service) -> None:
    """Ends a worker that may be stopped, or dead already."""
    if worker.process.poll() is None:
        worker.process.send_signal(signal.SIGCONT)
    worker.stop()
