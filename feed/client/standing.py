"""How a client stands with its gateway: what was objected to, and what a close for good then means."""

from typing import Final

from feed.client.decode import Message
from feed.client.events import Complaint
from feed.wire.closing import Close
from feed.wire.errors import Code

# What the gateway says of the connection as a whole, before it closes it.
OBJECTIONS: Final = frozenset((
    Code.AUTH_FAILED, Code.AUTH_TIMEOUT, Code.CONNECTION_LIMIT, Code.INSUFFICIENT_SUBSCRIPTION,
))  # fmt: skip


class Standing:
    """Of one connection. `expiring`: its token ends soon. `objection`: the last frame, if it is an error about it."""

    def __init__(self) -> None:
        self.expiring = False
        self.objection: Complaint | None = None

    def hear(self, messages: list[Message]) -> None:
        """Takes a frame's messages: what counts here comes alone in its own."""
        if not messages:
            return
        first, self.objection = messages[0], None
        if first["T"] == "notice":
            self.expiring = self.expiring or first.get("code") == "expiring"
        elif first["T"] == "error" and "id" not in first and first.get("code") in OBJECTIONS:
            self.objection = Complaint(first["code"], str(first.get("msg", "")), str(first.get("detail", "")))


def meaning(code: int, objection: Complaint | None, what: str) -> str:
    """What a close code means to who presented `what`: key, token, or "" for nothing. Empty where nobody can say."""
    error = None if objection is None else objection.code
    if code == Close.NOT_AUTHENTICATED:
        if not what:
            return "it wants a key or a token"
        return "nothing was presented in time" if error == Code.AUTH_TIMEOUT else f"it does not accept this {what}"
    if not what:
        return ""
    if code == Close.NOT_ALLOWED and error == Code.INSUFFICIENT_SUBSCRIPTION:
        return f"this {what} does not include this feed"
    known: dict[int, str] = {
        Close.NOT_ALLOWED: f"this {what} is no longer good: withdrawn, replaced or past its end",
        Close.CONNECTION_LIMIT: f"all connections that this {what} may have are in use",
        Close.TOKEN_EXPIRED: f"this {what} has ended, and there is no source of a fresh one",
    }
    return known.get(code, "")
