"""Memory of a process, as the kernel counts it."""

import re
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Bytes: resident; its share of what is shared; its own. The latter two are None where the kernel doesn't say."""

    rss: int
    pss: int | None
    uss: int | None


def memory_of(pid: int) -> Memory:
    """Memory of one process. Raises OSError where there is none, or no /proc."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, PermissionError):
        return Memory(_kilobytes(Path(f"/proc/{pid}/status").read_text(), "VmRSS"), None, None)
    own = _kilobytes(text, "Private_Clean") + _kilobytes(text, "Private_Dirty")
    return Memory(_kilobytes(text, "Rss"), _kilobytes(text, "Pss"), own)


def _kilobytes(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
