"""What is made once for all tests of a deployment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.shared import made


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of passwords and certificate: leave it as it is."""
    return made(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, str]]:
    """What was measured and seen, by its heading: said at the end as one row of a table."""
    found: dict[str, str] = {}
    yield found
    print("", *(f"| {' | '.join(row)} |" for row in (found, ["---"] * len(found), found.values())), sep="\n")
