"""What a stranger sent, as it may stand in a log."""

from typing import Final

# Ids are short, and what is longer or holds control characters is somebody's joke on whoever reads the log.
MAX_SHOWN: Final = 136


def shown(text: str) -> str:
    """On one line, and not for ever."""
    kept = "".join(each if each.isprintable() else "?" for each in text[:MAX_SHOWN])
    return kept if len(text) <= MAX_SHOWN else kept + "..."
