"""What compose.yaml's first service makes, made here; and what feed makes of a service's environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from feed.settings.sources import Settings, load
from tests.deploy.composed import COMPOSE, ROOT, SERVICES, Service, environment, mounts


def made(folder: Path) -> Path:
    """Where it is: in place of the containers' /run/feed."""
    setup = SERVICES["setup"]
    (script,) = (what for where, what in mounts(setup).items() if where in setup["entrypoint"])
    run = folder / "run"
    for where, what in mounts(setup).items():
        if not what.startswith("."):
            (run / Path(where).relative_to("/run/feed")).mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, COMPOSE.parent / script, run], check=True, cwd=ROOT, timeout=30)
    return run


def settings(service: Service, monkeypatch: pytest.MonkeyPatch, run: Path) -> Settings:
    """What feed makes of a service's environment. Raises SettingsError for a knob that is none;
    `run` stands for /run/feed."""
    for name in [name for name in os.environ if name.startswith("FEED_")]:
        monkeypatch.delenv(name)
    for name, value in environment(service).items():
        monkeypatch.setenv(name, value.replace("/run/feed", str(run)))
    return load()
