"""deploy/RUNBOOK.md as data: of each alert what it means, and which others come with it."""

import re
from typing import Final, NamedTuple

from tests.observed.rulebook import ROOT

PATH: Final = ROOT / "deploy" / "RUNBOOK.md"
PARTS: Final = ("Means", "Look at", "Do", "Fires with", "It is not")


class Heading(NamedTuple):
    """What the runbook has below one alert's heading: the text of each of its parts, and the alerts of `Fires with`."""

    parts: dict[str, str]
    fires_with: frozenset[str]


def headings() -> dict[str, Heading]:
    """Of each alert's name, where the heading is just that."""
    sections = re.split(r"^#+ (.+)$", PATH.read_text(), flags=re.MULTILINE)
    found = {}
    for name, text in zip(sections[1::2], sections[2::2], strict=True):
        if re.fullmatch(r"Feed\w+", name.strip()):
            said = re.findall(rf"^\*\*({'|'.join(PARTS)}):?\*\*:? *(.*?)(?=^\*\*|\Z)", text, re.MULTILINE | re.DOTALL)
            parts = {part: words.strip() for part, words in said}
            with_it = re.findall(r"\bFeed\w+", parts.get("Fires with", ""))
            found[name.strip()] = Heading(parts, frozenset(with_it))
    return found
