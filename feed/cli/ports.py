"""A port that several processes listen on together, held against everybody else."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def held(host: str, port: int) -> Iterator[int]:
    """Holds `host`:`port` for this user's processes that ask for SO_REUSEPORT, and gives its number; 0 takes a free
    one. It does not listen: nobody is connected to a port that only this holds.

    Raises OSError where the address can't be had, also where it is another gateway's that shares its port.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as stack:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = stack.enter_context(socket.socket(family, kind, protocol))
            if family is socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Bound as one who does not share: the kernel refuses it where anybody listens already, who shares or not.
            # Connections of an earlier gateway that linger are no hindrance, for so long as it is bound.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address[0], port, *address[2:]))
            # From here on only those may bind who share, which whoever holds or wants it alone does not.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            port = one.getsockname()[1]
        yield port
