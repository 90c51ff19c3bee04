"""The README's claims that a machine can check: its commands exist, its examples run."""

import asyncio
import functools
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.data import ROOT
from tests.integration.service import running

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL = [line for language, block in BLOCKS if language == "sh" for line in block.strip().splitlines()]
PYTHON = [block for language, block in BLOCKS if language == "python"]


def test_ci_runs_exactly_the_test_command() -> None:
    command = next(line for line in SHELL if line.endswith("pytest"))
    assert (ROOT / ".ci" / "run").read_text().splitlines().count(command) == 1


def test_there_are_two_set_up_commands() -> None:
    set_up = README.partition("## Set up")[2].partition("\n## ")[0]
    assert len(re.findall(r"```sh\n[^\n]+\n```", set_up)) == set_up.count("```sh") == 2


@functools.cache
def options_of(*command: str) -> str:
    """What `feed COMMAND --help` prints."""
    asked = [sys.executable, "-m", "feed", *command, "--help"]
    return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("feed ")])
def test_commands_and_their_options_exist(line: str) -> None:
    _, command, *arguments = line.split()
    told = options_of(command, arguments[0]) if command == "key" else options_of(command)
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert option in told, f"feed {command} knows no {option}"


@pytest.mark.parametrize("path", re.findall(r"\]\(([\w./]+)\)", README))
def test_links_lead_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", re.findall(r"`((?:feed|config|tests)/[\w./]*)`", README))
def test_places_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """A running demo's WebSocket address."""
    with running("try", "demo", "--port", "0", "--admin-port", "0", "--ingest-admin-port", "0") as service:
        found = re.search(r"ws://\S+", service.said)
        assert found
        yield found[0]


@pytest.mark.parametrize("example", PYTHON, ids=["websockets", "alpaca-py", "feed.client"])
def test_examples_print_ticks(example: str, demo: str) -> None:
    address = "ws://127.0.0.1:8080/v2/sim"
    assert address in example

    async def first_ticks() -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-c", example.replace(address, demo), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(45):
                lines = [(await process.stdout.readline()).decode() for _ in range(8)]
        finally:
            process.kill()
            await process.wait()
        return "".join(lines)

    printed = asyncio.run(first_ticks())
    assert "AAPL" in printed or "BTC/USD" in printed
