"""Protocol errors: a code that clients know, with the wording that they act on."""

from enum import IntEnum


class Code(IntEnum):
    INVALID_SYNTAX = 400
    NOT_AUTHENTICATED = 401
    AUTH_FAILED = 402
    ALREADY_AUTHENTICATED = 403
    AUTH_TIMEOUT = 404
    SYMBOL_LIMIT = 405
    CONNECTION_LIMIT = 406
    SLOW_CLIENT = 407
    INSUFFICIENT_SUBSCRIPTION = 409
    INVALID_SUBSCRIBE = 410
    TOO_MANY_COMMANDS = 429
    INTERNAL = 500


# Alpaca's wording to the letter where Alpaca has the code.
TEXT = {
    Code.INVALID_SYNTAX: "invalid syntax",
    Code.NOT_AUTHENTICATED: "not authenticated",
    Code.AUTH_FAILED: "auth failed",
    Code.ALREADY_AUTHENTICATED: "already authenticated",
    Code.AUTH_TIMEOUT: "auth timeout",
    Code.SYMBOL_LIMIT: "symbol limit exceeded",
    Code.CONNECTION_LIMIT: "connection limit exceeded",
    Code.SLOW_CLIENT: "slow client",
    Code.INSUFFICIENT_SUBSCRIPTION: "insufficient subscription",
    Code.INVALID_SUBSCRIBE: "invalid subscribe action for this feed",
    Code.TOO_MANY_COMMANDS: "too many commands",
    Code.INTERNAL: "internal error",
}


class ProtocolError(Exception):
    """The client sent what the protocol does not allow. `detail` says which part of it, for people."""

    def __init__(self, code: Code, detail: str = "", command_id: int | str | None = None) -> None:
        super().__init__(f"{int(code)} {TEXT[code]}: {detail}" if detail else f"{int(code)} {TEXT[code]}")
        self.code = code
        self.detail = detail
        self.command_id = command_id
