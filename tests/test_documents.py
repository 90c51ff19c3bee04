"""feed/PROTOCOL.md and feed/DESIGN.md say what the code does: their names, numbers and commands are the code's own."""

import ast
import importlib
import inspect
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from aiohttp import web

from feed.bus import names
from feed.core.streams import Stream
from feed.gateway.server import DEPTH_TWO
from feed.settings import Values
from feed.settings.words import knobs
from feed.wire import commands, messages
from feed.wire.closing import Close
from feed.wire.errors import TEXT, Code

ROOT = Path(__file__).resolve().parent.parent
FEED = ROOT / "feed"
PROTOCOL = (FEED / "PROTOCOL.md").read_text()
DESIGN = (FEED / "DESIGN.md").read_text()
COMMANDS = re.findall(r'\{"action":(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}', PROTOCOL)


def table(text: str, *heads: str) -> list[list[str]]:
    """The rows of the table with these heads, their cells stripped."""
    _, found, rest = text.partition(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    assert found, f"no table {heads}"
    lines = rest[: rest.find("\n\n")].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def spans(text: str) -> list[str]:
    """What is written as code within a line."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^(```|    ).*$", "", text, flags=re.MULTILINE))


def trees(*globs: str) -> list[ast.Module]:
    found = [ast.parse(path.read_text()) for glob in globs for path in sorted(FEED.glob(glob))]
    assert found
    return found


def resolved(name: str) -> Any:
    """What `room.module.name` is in the code; raises where there is no such thing."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(("feed", *parts[:cut])))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise LookupError(name)


# What both documents name


@pytest.mark.parametrize("text", [PROTOCOL, DESIGN], ids=["PROTOCOL.md", "DESIGN.md"])
def test_every_dotted_name_is_a_knob_a_file_or_a_name_in_the_code(text: str) -> None:
    dotted = [name for name in spans(text) if re.fullmatch(r"[\w/]+(\.\w+)+", name) and name not in DEPTH_TWO]
    assert len(dotted) > 10
    for name in dotted:
        if re.search(r"\.(py|lua|md|toml)$", name):
            assert (ROOT / name).is_file() or (FEED / name).is_file(), name
        elif name not in knobs():
            assert resolved(name) is not None


# PROTOCOL.md


def test_error_codes_and_their_wording() -> None:
    rows = {int(code): wording for code, wording, _ in table(PROTOCOL, "code", "`msg`", "when")}
    assert rows == {int(code): TEXT[code] for code in Code}


def test_close_codes_and_whether_to_reconnect() -> None:
    rows = {int(code): answer for code, _, answer in table(PROTOCOL, "code", "meaning", "reconnect?")}
    assert rows.keys() == {int(code) for code in Close}
    for code in filter(lambda code: code >= 4000, rows):
        assert rows[code].split(",")[0] == ("yes" if code < 4500 else "no"), code


def test_message_types() -> None:
    pairs = [
        pair
        for tree in trees("wire/*.py", "gateway/*.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for pair in zip(node.keys, node.values, strict=True)
    ]
    types = {
        value.value
        for key, value in pairs
        if isinstance(key, ast.Constant) and key.value == "T" and isinstance(value, ast.Constant)
    }
    assert {"t", "error", "gap"} < types
    assert set(re.findall(r'"T":"(\w+)"', PROTOCOL)) == types


def test_actions_and_their_fields() -> None:
    documented: dict[str, set[str]] = {}
    for text in COMMANDS:
        command = json.loads(text)
        documented.setdefault(command["action"], set()).update(command)
    models = {get_args(model.model_fields["action"].annotation)[0]: model for model in get_args(commands.Command)}
    assert documented.keys() == models.keys()
    for action, model in models.items():
        assert documented[action] <= model.model_fields.keys(), action
    assert set().union(*documented.values()) == set().union(*(model.model_fields for model in models.values()))


@pytest.mark.parametrize("text", COMMANDS)
def test_every_command_is_taken(text: str) -> None:
    assert commands.parse_json(text, 2)


def test_channels_that_are_not_carried() -> None:
    line = next(line for line in PROTOCOL.splitlines() if line.startswith("* Alpaca's other channels"))
    between = set(commands.FOREIGN_CHANNELS) & set(messages.EMPTY_CHANNELS)
    assert set(spans(line)) | between == {"updatedBars ... cancelErrors", *commands.FOREIGN_CHANNELS}


def test_subprotocols() -> None:
    assert set(re.findall(r"feed\.v\d+\.\w+", PROTOCOL)) == DEPTH_TWO.keys()


def test_http_routes() -> None:
    calls = [
        (node.func.attr, node.args[0].value)
        for tree in trees("gateway/*.py", "admin.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.args and isinstance(node.args[0], ast.Constant) and str(node.args[0].value).startswith("/")
    ]
    assert {method for method, _ in calls} == {"get", "add_static"}
    rows = "\n".join(path + answer for path, answer in table(PROTOCOL, "path", "answer"))
    assert {path.removesuffix("/...") for path in re.findall(r"`GET ([^`?]+)", rows)} == {path for _, path in calls}


def test_refusals_before_the_upgrade() -> None:
    raised = {
        getattr(web, node.func.attr).status_code
        for tree in trees("gateway/server.py", "gateway/entrance.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("HTTP")
    }
    assert {int(status) for status, _ in table(PROTOCOL, "status", "refused")} == raised


def test_limits_are_the_defaults() -> None:
    rows = table(PROTOCOL, "limit", "value", "beyond it")
    assert len(rows) > 10
    for name, value, _ in rows:
        name = name.strip("`")
        section, _, knob = name.partition(".")
        actual = getattr(getattr(Values(), section), knob) if name in knobs() else resolved(name)
        assert float(re.match(r"[\d,.]*\d", value)[0].replace(",", "")) == actual, name  # type: ignore[index]


# which of its arguments says a gap's cause
CAUSE_AT = {"messages.gap": 5, "of_hole": 2}


def test_gap_causes() -> None:
    named = re.findall(r"gap\('(\w+)'", (FEED / "bus" / "publish.lua").read_text())
    for line in (FEED / "bus" / "lane.py").read_text().splitlines():
        named += re.findall(r'"(\w+)"', line) if "cause" in line else []
    for tree in trees("gateway/*.py"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (position := CAUSE_AT.get(ast.unparse(node.func))) is not None:
                named += [node.args[position].value] if isinstance(node.args[position], ast.Constant) else []
    assert {cause.strip("`") for cause, _ in table(PROTOCOL, "`cause`", "what is missing")} == set(named)


# DESIGN.md


def test_rooms() -> None:
    block = DESIGN.split("```\n")[1]
    rooms = {*re.findall(r"^  (\w+)/ ", block, re.MULTILINE), *re.findall(r"\b(\w+)\.py\b", block)}
    there = {path.stem for path in FEED.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert rooms == {name for name in there if not name.startswith("__")}


def test_floors() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert f"    {' < '.join(reversed(layers)).replace('feed.', '')}\n" in DESIGN


def test_who_imports_aiohttp() -> None:
    importers = {
        ".".join(path.relative_to(FEED).with_suffix("").parts)
        for path in FEED.rglob("*.py")
        if re.search(r"^\s*(import|from) aiohttp\b", path.read_text(), re.MULTILINE)
    }
    _, _, sentence = DESIGN.partition("These import aiohttp, and no others:")
    assert set(spans(sentence.split(".\n\n")[0])) == importers


def test_redis_names() -> None:
    stream = Stream("binance", "trades", "BTC/USDT")
    made = {
        "log_key": names.log_key(stream),
        "meta_key": names.meta_key(stream),
        "channel": names.channel(stream),
        "symbols_key": names.symbols_key("binance"),
        "worker_key": names.worker_key("binance", "ID"),
        "workers_channel": names.workers_channel("binance"),
        "HEARTBEAT": names.HEARTBEAT,
        "heartbeat": names.heartbeat("TAG"),
        "KEYS": names.KEYS,
        "KEYS_VERSION": names.KEYS_VERSION,
        "lease_key": names.lease_key("ID"),
        "ASKED": names.ASKED,
        "answers_key": names.answers_key("QUESTION"),
    }
    public = {name for name, what in vars(names).items() if not inspect.isclass(what) and not name.startswith("_")}
    assert {name for name in public if not isinstance(getattr(names, name), ModuleType)} == made.keys()
    assert {name.strip("`") for name, _ in table(DESIGN, "name", "what")} == set(made.values())


def test_meta_fields() -> None:
    script = (FEED / "bus" / "publish.lua").read_text()
    field = r"'([a-z_]+:?)'"
    read = re.search(r"= pick\((.*?)\)\nlocal", script, re.DOTALL)
    written = re.findall(r"\bput\(([^.][^\n]*(?:\n  [^\n]*)*)", script)
    assert read
    assert written
    fields = {name.strip("`").replace("WORKER", "") for name, _ in table(DESIGN, "meta field", "what")}
    assert fields == set(re.findall(field, read[1])) == set(re.findall(field, " ".join(written)))


def test_epochs_kept() -> None:
    assert "EPOCHS_KEPT = 8\n" in (FEED / "bus" / "publish.lua").read_text()
    assert "the last eight epochs" in DESIGN
