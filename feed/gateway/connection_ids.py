"""Names of connections that people can read to each other: `k3f9a-2-1c` is the 44th of worker 2 of one gateway."""

from itertools import count
from secrets import choice
from typing import Final

# Crockford's base32: nothing in it is taken for something else.
DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
LIFE_DIGITS: Final = 5

HEADER: Final = "Feed-Connection"
"""The header of a handshake's answer that tells the client its connection's id."""


class ConnectionIds:
    """Gives each connection of a process an id. `worker` is 0 for a gateway of one process."""

    def __init__(self, worker: int, life: str = "") -> None:
        """`life` tells this process from those that ran before it and elsewhere; empty: by chance."""
        self.life = f"{life or ''.join(choice(DIGITS) for _ in range(LIFE_DIGITS))}-{worker}"
        """What all its ids begin with."""
        self._numbers = count(1)

    def next(self) -> str:
        return f"{self.life}-{base32(next(self._numbers))}"


def base32(number: int) -> str:
    """A number, zero or more, in as few digits as it takes."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
