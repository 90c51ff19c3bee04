"""Who decides on credentials, by `auth.mode`: nobody, the keys, the tokens, or either by what was presented."""

import asyncio
from typing import Final, Protocol

from feed.access.claims import TOKEN_ID
from feed.access.keyring import Keyring, key_store
from feed.access.principal import Anyone, Authenticator, Credentials, Principal, Refused, Why
from feed.access.tokens import Tokens
from feed.settings import Values

# Alpaca's clients can present a key and a secret and nothing else: with this key, the secret is a token. No key has
# such an id, and a token is judged by what it is, so nothing is let in that would not be let in otherwise.
TOKEN_KEY: Final = "jwt"


class Keys(Protocol):
    """Decides on keys: a Keyring."""

    async def authenticate(self, credentials: Credentials) -> Principal: ...

    def standing(self, principal: Principal, now: float) -> Why | None: ...

    @property
    def ready(self) -> bool: ...

    async def look(self) -> None: ...

    async def run(self) -> None: ...


class KeysAndTokens:
    """Asks the keyring about keys and the issuer's keys about tokens; what one of them is missing for is refused."""

    required = True

    def __init__(self, keys: Keys | None, tokens: Tokens | None) -> None:
        self._keys = keys
        self._tokens = tokens

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Raises Refused, with NOT_ACCEPTED too for a key and a token at once."""
        key, secret, token = credentials
        if key == TOKEN_KEY and not token:
            key, secret, token = "", "", secret
        if token:
            if self._tokens is None or key or secret:
                raise Refused(Why.NOT_ACCEPTED)
            return await self._tokens.authenticate(token)
        if self._keys is None:
            raise Refused(Why.NOT_ACCEPTED)
        return await self._keys.authenticate(Credentials(key=key, secret=secret))

    def standing(self, principal: Principal, now: float) -> Why | None:
        judge = self._tokens if principal.id.startswith(TOKEN_ID) else self._keys
        return Why.NOT_ACCEPTED if judge is None else judge.standing(principal, now)

    def not_ready(self) -> str:
        if self._keys is not None and not self._keys.ready:
            return "the keys were not read yet"
        return "the issuer's keys were not read yet" if self._tokens is not None and not self._tokens.ready else ""

    async def prepare(self) -> None:
        async with asyncio.TaskGroup() as group:
            for judge in (self._keys, self._tokens):
                if judge is not None:
                    group.create_task(judge.look())

    async def run(self) -> None:
        """Follows keys and signers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for judge in (self._keys, self._tokens):
                if judge is not None:
                    group.create_task(judge.run())


def authenticator_of(values: Values) -> Authenticator:
    """The authenticator of the settings. Raises ValueError, naming the knob, where a key of theirs can't be used."""
    mode = values.auth.mode
    if mode == "none":
        return Anyone()
    keys = Keyring(key_store(values)) if "keys" in mode else None
    return KeysAndTokens(keys, Tokens(values.auth) if "jwt" in mode else None)
