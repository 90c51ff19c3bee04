"""What ends a client, and what fails a command."""


class Refused(Exception):
    """The gateway will not have this client, or was never there: trying again is of no use. Text: one line for people.

    `code` is that of its close, where it closed the connection; `error` is the protocol's error that came before, such
    as 402 for credentials that let nobody in.
    """

    def __init__(self, text: str, code: int | None = None, error: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.error = error


class CommandError(Exception):
    """The gateway did not take a command; the connection lives on. `code` and `text` are the protocol's."""

    def __init__(self, code: int, text: str, detail: str = "") -> None:
        super().__init__(f"{code} {text}: {detail}" if detail else f"{code} {text}")
        self.code = code
        self.text = text
        self.detail = detail


class Unreadable(ValueError):
    """A gateway sent what is no message of the protocol."""


class Unanswered(Exception):
    """Too much came before a command's answer while nobody iterated. The command stands: its answer will be read."""
