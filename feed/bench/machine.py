"""What it was measured on."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("feed", "aiohttp", "uvloop", "redis", "hiredis", "msgpack", "orjson")


def machine(server: Path, pinned: str) -> dict[str, object]:
    """Processor, kernel, versions; `server` is the Redis that is used, `pinned` says what runs where."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "server": _server_version(server),
        "pinned": pinned,
    }


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _server_version(server: Path) -> str:
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    found = re.search(r"v=(\S+)", said)
    return f"{server.name} {found[1] if found else said.strip()}"
