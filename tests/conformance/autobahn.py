"""The Autobahn cases, as `kosoku` drives them against a server: what is run, and what its report says."""

import asyncio
import json
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

CASES_TAKE_S = 120.0
# NON-STRICT is right too, though later than the standard would like; INFORMATIONAL cases judge nothing.
PASSED = frozenset(("OK", "NON-STRICT", "INFORMATIONAL"))


class Verdict(NamedTuple):
    """What became of one case, and of the closing that ended it."""

    behaviour: str
    closing: str

    @property
    def passed(self) -> bool:
        return self.behaviour in PASSED and self.closing in PASSED


def kosoku() -> str | None:
    """The command, beside this Python or on the PATH."""
    return shutil.which("kosoku", path=sysconfig.get_path("scripts")) or shutil.which("kosoku")


async def drive(command: str, address: str, out: Path, cases: Sequence[str]) -> Mapping[str, Verdict]:
    """Runs the cases (ids or globs) against `host:port/path`. Raises RuntimeError where there is no report."""
    process = await asyncio.create_subprocess_exec(
        command, "-m", "fuzzingclient", *(word for case in cases for word in ("-i", case)), "-o", str(out), address,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), CASES_TAKE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = out / "index.json"
    if not report.exists():
        raise RuntimeError(f"kosoku ended with {process.returncode} and no report: {said.decode()}")
    return verdicts(json.loads(report.read_text()))


def verdicts(report: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Mapping[str, Verdict]:
    """By case, from an index.json; a case that could not be run is filed under another server's name."""
    return {
        case: Verdict(found["behavior"], found["behaviorClose"])
        for cases in report.values()
        for case, found in cases.items()
    }


def failures(found: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The cases that did not pass."""
    return {case: verdict for case, verdict in found.items() if not verdict.passed}
