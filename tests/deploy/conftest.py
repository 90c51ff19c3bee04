"""What is made once for all tests of a deployment."""

from pathlib import Path

import pytest

from tests.deploy.shared import made


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of passwords and certificate: leave it as it is."""
    return made(tmp_path_factory.mktemp("shared"))
