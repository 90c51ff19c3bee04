"""Keys for tests, made and withdrawn as people do it: by `feed key`."""

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

from tests.gateway.gateway_stage import Stage, until


class Minted(NamedTuple):
    id: str
    secret: str


def mint(redis_url: str, name: str, *flags: str) -> Minted:
    told = json.loads(_key(redis_url, "create", "--name", name, "--json", *flags))
    return Minted(told["key"], told["secret"])


async def heard(stage: Stage, key: Minted) -> None:
    """Waits until a gateway has heard of a key: it looks for new ones each second."""
    keyring: Any = stage.gateway._authenticator
    await until(lambda: keyring._keys.lookup(key.id) is not None)


def revoke(redis_url: str, name: str) -> None:
    _key(redis_url, "revoke", name)


def _key(redis_url: str, *arguments: str) -> str:
    # in a process of its own: the command sets up logging for the whole of it
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEED_")}
    command = (sys.executable, "-m", "feed", "key", *arguments)
    environment["FEED_REDIS__URL"] = redis_url
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
