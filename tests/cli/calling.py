"""Commands as a user gives them, in this process, with no setting in the environment."""

import pytest
from click.testing import CliRunner, Result

from feed.cli import main
from feed.settings.sources import variable
from feed.settings.words import knobs


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in knobs():
        monkeypatch.delenv(variable(key), raising=False)
    monkeypatch.delenv("FEED_CONFIG", raising=False)


def feed(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="feed")
