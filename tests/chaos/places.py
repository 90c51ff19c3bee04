"""Where a client stands in each stream, as the protocol's messages move it: the simplest thing that can resume."""

from typing import Any

KINDS = {"t": "trades", "q": "quotes"}
Place = tuple[str | None, int]
"""Epoch, and the seq of the last entry that was told of."""


def stream_of(message: dict[str, Any]) -> str | None:
    """`kind:symbol` of a message that is about one stream."""
    kind = KINDS.get(message["T"]) or (message.get("kind", "bars") if message["T"] == "b" else None)
    return f"{kind}:{message['S']}" if kind else message.get("stream")


class Places:
    def __init__(self) -> None:
        self.at: dict[str, Place] = {}

    def take(self, message: dict[str, Any]) -> None:
        what, stream = message["T"], stream_of(message)
        if what == "subscription":
            for key, state in message.get("streams", {}).items():
                # of a stream that this client holds it is not news: what it missed comes
                self.at.setdefault(key, (state["epoch"], state["seq"]))
        elif stream is None:
            return
        elif what == "gap":
            self.at[stream] = (message["next"]["epoch"], message["next"]["seq"] - 1)
        elif what == "epoch":
            self.at[stream] = (message["epoch"], message["seq"] - 1)
        else:
            epoch, seq = self.at.get(stream, (None, 0))
            self.at[stream] = (epoch, max(seq, message["q"]))
