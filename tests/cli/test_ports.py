"""A held port: who may listen on it, and who may not."""

import socket
from collections.abc import Iterator

import pytest

from feed.cli.ports import held

HOST = "127.0.0.1"


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for one in opened:
        one.close()


def listening(sockets: list[socket.socket], port: int, shares: bool) -> int:
    one = socket.socket()
    sockets.append(one)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shares)
    one.bind((HOST, port))
    one.listen()
    return int(one.getsockname()[1])


def test_those_who_share_listen_on_it(sockets: list[socket.socket]) -> None:
    with held(HOST, 0) as port:
        assert listening(sockets, port, shares=True) == listening(sockets, port, shares=True) == port
        socket.create_connection((HOST, port)).close()


def test_it_does_not_listen_itself() -> None:
    with held(HOST, 0) as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port))


def test_nobody_else_may_have_it(sockets: list[socket.socket]) -> None:
    with held(HOST, 0) as port, pytest.raises(OSError, match="Address already in use"):
        listening(sockets, port, shares=False)


@pytest.mark.parametrize("served", [False, True], ids=["starting", "serving"])
def test_a_second_gateway_is_refused(sockets: list[socket.socket], served: bool) -> None:
    with held(HOST, 0) as port:
        if served:
            listening(sockets, port, shares=True)
        with pytest.raises(OSError, match="Address already in use"), held(HOST, port):
            pass


@pytest.mark.parametrize("shares", [False, True], ids=["alone", "shared"])
def test_a_port_that_somebody_listens_on_is_refused(sockets: list[socket.socket], shares: bool) -> None:
    port = listening(sockets, 0, shares)
    with pytest.raises(OSError, match="Address already in use"), held(HOST, port):
        pass


def test_it_is_free_again_afterwards_though_connections_linger(sockets: list[socket.socket]) -> None:
    with held(HOST, 0) as port:
        listening(sockets, port, shares=True)
        client = socket.create_connection((HOST, port))
        server, _ = sockets[0].accept()
        server.close()  # the side that closes first keeps the port in TIME_WAIT
        client.close()
        sockets.pop().close()
    with held(HOST, port) as again:
        assert again == port


def test_all_addresses_of_a_name_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        ends = [("127.0.0.2", port), ("127.0.0.3", port), ("127.0.0.2", port)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", end) for end in ends]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with held("both", 0) as port:
        for host in ("127.0.0.2", "127.0.0.3"):
            with socket.socket() as one, pytest.raises(OSError, match="Address already in use"):
                one.bind((host, port))


def test_no_address_of_this_machine_is_an_oserror() -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"), held("192.0.2.1", 0):
        pass
