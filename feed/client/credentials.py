"""What a client presents to a gateway, and to which gateways it may be sent."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from feed.client.address import Address

Token = str | Callable[[], str | Awaitable[str]]
"""A token, or what gives a fresh one each time that it is called; it may be awaited, and must not block."""

# What a header may hold, and no more: a line's end in a secret would be a header of somebody else's making.
PRINTABLE: Final = re.compile(r"[\x21-\x7e]{1,8192}")
KEY_HEADER: Final = "APCA-API-KEY-ID"
SECRET_HEADER: Final = "APCA-API-SECRET-KEY"
TELLING: Final = frozenset(("authorization", "proxy-authorization", "cookie", SECRET_HEADER.lower()))


class Credentials:
    """A key with its secret, or a token, or nothing."""

    def __init__(self, key: str = "", secret: str = "", token: Token = "") -> None:
        """Raises ValueError for one half of a pair, for both ways at once, and for what no header can hold."""
        if bool(key) != bool(secret):
            raise ValueError("a key and its secret belong together: one of them is missing")
        if key and token:
            raise ValueError("give a key with its secret, or a token, and not both")
        for name, value in (("key", key), ("secret", secret), ("token", token)):
            if isinstance(value, str) and value:
                _check(name, value)
        self._key = key
        self._secret = secret
        self._token = token

    def __bool__(self) -> bool:
        return bool(self._key or self._token)

    def __repr__(self) -> str:
        return "Credentials(hidden)"

    @property
    def what(self) -> str:
        """The word for them in a sentence: key, token, or "" for nothing."""
        return "token" if self._token else "key" if self._key else ""

    @property
    def renewable(self) -> bool:
        """Whether a fresh token can be had."""
        return callable(self._token)

    async def token(self) -> str:
        """The token, a fresh one where there is a source of them; whatever that raises. Raises ValueError for none."""
        if not callable(self._token):
            return self._token
        given = self._token()
        token = await given if inspect.isawaitable(given) else given
        _check("token", token)
        return token

    async def headers(self) -> dict[str, str]:
        """What the handshake carries. Raises as `token` does."""
        if self._token:
            return {"Authorization": f"Bearer {await self.token()}"}
        return {KEY_HEADER: self._key, SECRET_HEADER: self._secret} if self._key else {}


def check_road(address: Address, headers: Mapping[str, str], credentials: Credentials) -> None:
    """Raises ValueError where everybody on the way to a gateway could read what is presented to it."""
    if address.encrypted or address.loopback:
        return
    if credentials or any(name.lower() in TELLING for name in headers):
        raise ValueError(
            f"credentials would go to {address.host} in plain text, for everyone on the way to read: use wss://, "
            "or say that it may be insecure"
        )


def _check(name: str, value: object) -> None:
    if not isinstance(value, str) or not PRINTABLE.fullmatch(value):
        raise ValueError(f"the {name} is not 1 to 8192 printable ASCII characters without spaces")
