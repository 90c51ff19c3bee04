"""A process that has clients of a gateway, and notes how long after publishing each message was there.

`python -m tests.integration.stopwatch HOW PORT` prints a line when its clients have subscribed. It answers `?` with the
number of messages so far, and anything else with a line of JSON, the delays in seconds, and its end: null where the
next message was there already, as the kernel may then tell of that one. HOW is one of WISHES.

What the clients are sent is taken apart by the package websockets, which has no sockets here: the kernel says when a
frame came (socket(7), SO_TIMESTAMPNS), however late this process is to read it.
"""

import fcntl
import json
import selectors
import socket
import struct
import sys
import termios
from typing import Any, Final

import msgpack
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

SO_TIMESTAMPNS: Final = 35
TIMESPEC: Final = struct.Struct("ll")
LONGEST_HEAD: Final = 10  # a server's frames have no mask
DATA: Final = ("t", "q", "b", "epoch", "gap")
US_PER_S: Final = 1e6
NS_PER_S: Final = 10**9
PATIENCE_S: Final = 60.0

Wish = tuple[str, dict[str, list[str]]]
EVERY: Final = ["*"]
WISHES: Final[dict[str, list[Wish]]] = {
    "several": [
        ("json", {"trades": EVERY}),
        ("json", {"trades": EVERY, "quotes": EVERY}),
        ("msgpack", {"quotes": EVERY}),
        ("json", {"trades": EVERY}),
    ],
    "crowd": [("json", {"trades": EVERY})] * 400,
}


class Client:
    """One connection. `seen` are its data messages, with the time at which they came, in ns since the epoch; 0 where
    that is not known."""

    def __init__(self, port: int, wish: Wish) -> None:
        self._encoding, symbols = wish
        protocols = [Subprotocol(f"feed.v1.{self._encoding}")]
        self._protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/v2/sim"), subprotocols=protocols)
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._rest = 0  # of the frame that is being read
        self.seen: list[tuple[int, dict[str, Any]]] = []
        self._shake_hands()
        command = {"action": "subscribe", "stamps": True, **symbols}
        if self._encoding == "msgpack":
            self._protocol.send_binary(msgpack.packb(command))
        else:
            self._protocol.send_text(json.dumps(command).encode())
        self._send()
        while "subscription" not in [message["T"] for message in self._messages()]:
            self._feed(self.sock.recv(65_536))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def read(self) -> None:
        """Reads some more of a frame, and nothing of the next: the time is that of its last byte."""
        if not self._rest:
            self._rest = frame_length(self.sock.recv(LONGEST_HEAD, socket.MSG_PEEK))
        data, ancillary, _, _ = self.sock.recvmsg(max(1, self._rest), socket.CMSG_SPACE(TIMESPEC.size))
        stamps = [TIMESPEC.unpack(held[: TIMESPEC.size]) for _, kind, held in ancillary if kind == SO_TIMESTAMPNS]
        if not stamps:
            raise SystemExit("the kernel does not tell when a message came")
        self._rest = max(0, self._rest - len(data))
        self._feed(data)
        at = 0 if self._waiting() else stamps[0][0] * NS_PER_S + stamps[0][1]
        self.seen += [(at, message) for message in self._messages() if message["T"] in DATA]

    def _waiting(self) -> int:
        """Bytes that have come and are not read yet."""
        return int.from_bytes(fcntl.ioctl(self.sock, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _shake_hands(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._send()
        while not self._protocol.handshake_exc and self._protocol.state.name == "CONNECTING":
            self._feed(self.sock.recv(65_536))
        if self._protocol.handshake_exc:
            raise self._protocol.handshake_exc

    def _send(self) -> None:
        for data in self._protocol.data_to_send():
            self.sock.sendall(data)

    def _feed(self, data: bytes) -> None:
        assert data, "closed by the gateway"
        self._protocol.receive_data(data)

    def _messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
                found += msgpack.unpackb(event.data) if self._encoding == "msgpack" else json.loads(event.data)
        return found


def frame_length(head: bytes) -> int:
    """Of a whole frame; 0 where too little of it is here."""
    size = head[1] & 127 if len(head) > 1 else 0
    more = {126: 2, 127: 8}.get(size, 0)
    if len(head) < 2 + more:
        return 0
    return 2 + more + (int.from_bytes(head[2 : 2 + more]) if more else size)


def serve(clients: list[Client]) -> None:
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    key.data.read()
                elif sys.stdin.readline().strip() == "?":
                    print(sum(len(client.seen) for client in clients), flush=True)
                else:
                    return


if __name__ == "__main__":
    everyone = [Client(int(sys.argv[2]), wish) for wish in WISHES[sys.argv[1]]]
    serve(everyone)
    seen = [each for client in everyone for each in client.seen]
    delays_s = [at / NS_PER_S - said["tp"] / US_PER_S if at else None for at, said in seen if "tp" in said]
    print(json.dumps(delays_s), flush=True)
