"""The Dockerfile, instruction by instruction."""

import json
import re
from typing import Final, NamedTuple

from tests.deploy.composed import DEPLOY

DOCKERFILE: Final = DEPLOY / "Dockerfile"


class Instruction(NamedTuple):
    word: str
    rest: str


def instructions() -> list[Instruction]:
    lines = (line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    whole = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in whole.splitlines() if line.strip()]


def stages() -> list[list[Instruction]]:
    """Each from its FROM on; what comes before the first is none."""
    found: list[list[Instruction]] = []
    for instruction in instructions():
        if instruction.word == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def last(word: str) -> str:
    """What the last of these says of the image that is made."""
    return [rest for each, rest in stages()[-1] if each == word][-1]


def words(word: str) -> list[str]:
    """A command in its JSON form, which needs no shell."""
    found: list[str] = json.loads(last(word)[last(word).index("[") :])
    return found


def argument(name: str) -> str:
    """What an ARG is where nobody gives it."""
    given = [rest.partition("=")[2] for word, rest in instructions() if word == "ARG" and rest.startswith(f"{name}=")]
    assert len(given) == 1, name
    return given[0]


def labels() -> dict[str, str]:
    return dict(re.findall(r'([\w.]+)="([^"]*)"', last("LABEL")))


def variables() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(rest for word, rest in stages()[-1] if word == "ENV")))
