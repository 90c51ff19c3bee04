"""Compose files as Compose reads them: variables filled in, later files laid over the first."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final = DEPLOY / "compose.yaml"
PUBLIC: Final = DEPLOY / "compose" / "public.yaml"
# $$ is a dollar; ${NAME}, ${NAME:-what it is otherwise}, ${NAME:?what is lacking}
VARIABLE: Final = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:-|:\?)([^}]*))?\})")
UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "ms": 0.001}

Service = dict[str, Any]


class Lacking(Exception):
    """A variable that has to be given was not."""


def composition(*files: Path, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The files' content as one."""
    whole: dict[str, Any] = {}
    for path in files or (COMPOSE,):
        whole = laid_over(whole, filled(yaml.safe_load(path.read_text()), variables or {}))
    return whole


def services(*files: Path, variables: Mapping[str, str] | None = None) -> dict[str, Service]:
    found: dict[str, Service] = composition(*files, variables=variables)["services"]
    return found


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """With its variables' values. Raises Lacking."""
    if isinstance(value, dict):
        return {key: filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, variables) for each in value]
    return VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    dollar, name, how, words = found.groups()
    if dollar:
        return "$"
    if variables.get(name):
        return variables[name]
    if how == ":-":
        return str(words)
    raise Lacking(f"{name}: {words}")


def laid_over(below: Any, above: Any) -> Any:
    """Mappings are joined, lists go one after the other, anything else is replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: laid_over(below[key], each) if key in below else each for key, each in above.items()}
    return below + above if isinstance(below, list) and isinstance(above, list) else above


def seconds(text: str) -> float:
    """Of a duration such as `1m30s`."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    assert "".join(number + unit for number, unit in parts) == text, text
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def mounts(service: Service) -> dict[str, str]:
    """Where in the container, and what: a volume's name, or a path beside the compose file."""
    return {where: what for what, where, *_ in (text.split(":") for text in service.get("volumes", []))}


def environment(service: Service) -> dict[str, str]:
    """Of its files, and over them its own."""
    lines = [line for path in service.get("env_file", []) for line in (COMPOSE.parent / path).read_text().splitlines()]
    filed = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return filed | {name: str(value) for name, value in service.get("environment", {}).items()}


SERVICES: Final = services()
# Those that do something before the others start, and end.
ONCE: Final = {"setup", "check"}
# The service that builds feed's image, for all that run it.
BUILT_BY: Final = "setup"
IMAGE: Final = SERVICES[BUILT_BY]["image"]
# Those that run feed and stay.
FEED: Final = sorted(name for name, service in SERVICES.items() if service["image"] == IMAGE and name not in ONCE)
GATEWAYS: Final = [name for name in FEED if name.startswith("gateway")]
# What public.yaml asks for.
GIVEN: Final = {"PUBLIC_NAME": "feed.example.com", "TLS_PEM": "tls.pem"}
