"""Keys in Redis: one hash of them all, and a counter that rises with each change."""

from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

import structlog

from feed.bus import log as logs
from feed.bus import names
from feed.bus.errors import BusDown, BusRefused
from feed.bus.links import Answer, Links
from feed.bus.replies import Command
from feed.core.keys import Edit, Stored
from feed.settings import Redis

# Writes one key if nobody wrote any since the counter was read. It begins at the time: in a Redis that was emptied it
# shall not come by a number that it had before, and that gateways know.
WRITE: Final = """
local count = redis.call('GET', KEYS[2])
if (count or '0') ~= ARGV[1] then return 0 end
if not count then
  local time = redis.call('TIME')
  redis.call('SET', KEYS[2], string.format('%.0f', time[1] * 1000000 + time[2]))
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('INCR', KEYS[2])
return 1
"""
# People change keys, and a script for many of them: each that is overtaken so often saw as many changes succeed.
TRIES: Final = 20

T = TypeVar("T")

log = structlog.get_logger(__name__)


class RedisKeys:
    """Reads and changes keys over connections made when needed; a fault ends them. For one caller at a time."""

    def __init__(self, settings: Redis, name: str = "feed-keys") -> None:
        """`name` shows in CLIENT LIST."""
        self._links = Links(settings, name)
        self._seen = 0

    async def read(self, version: str) -> Stored | None:
        """All keys; None where nothing changed since `version`, which is "" before the first look.

        Raises BusDown, also where Redis has forgotten that there were any: keys are never deleted. Raises BusRefused.
        """
        if version:
            run_id, (reply,) = await self._asked([("GET", names.KEYS_VERSION)])
            if _version(run_id, _count(reply)) == version:
                return None
        stored, count = await self._all()
        if self._seen and not count:
            raise BusDown("Redis has forgotten all keys: it was emptied, or started without its data")
        if count < self._seen:
            log.error("keys_set_back", changes=count, known=self._seen)
        self._seen = count
        return stored

    async def change(self, edit: Edit) -> None:
        """Writes the key that `edit` makes of all there are, unless another is written at the same moment: then it is
        asked again.

        Raises what `edit` raises, BusDown (the key may have been written all the same) and BusRefused.
        """
        for _ in range(TRIES):
            stored, count = await self._all()
            key_id, data = edit(stored.keys)
            command = ("EVAL", WRITE, 2, names.KEYS, names.KEYS_VERSION, count, key_id, data)
            # whoever was not answered does not know whether there is one key more, and the next would be a second
            if await self._kept(self._links.once(names.KEYS, command)):
                return
        raise BusRefused(f"others changed keys {TRIES} times in a row, each time before this change")

    async def close(self) -> None:
        await self._links.close()

    async def _all(self) -> tuple[Stored, int]:
        # of one moment, and of one master: while its slot moves, one may have gone ahead of the other
        commands = logs.atomically(("GET", names.KEYS_VERSION), ("HGETALL", names.KEYS))
        run_id, replies = await self._asked(commands)
        reply, flat = replies[-1]
        if isinstance(flat, BusRefused):  # what is refused within a transaction stands in its answer
            raise flat
        count, pairs = _count(reply), zip(flat[::2], flat[1::2], strict=True)
        return Stored(_version(run_id, count), {key.decode(errors="replace"): data for key, data in pairs}), count

    async def _asked(self, commands: Sequence[Command]) -> Answer:
        answer = await self._kept(self._links.ask(names.KEYS, commands))
        for reply in answer.replies:
            if isinstance(reply, BusRefused):
                await self.close()
                raise reply
        return answer

    async def _kept(self, work: Coroutine[Any, Any, T]) -> T:
        """Connections are kept only as long as they answer."""
        try:
            return await work
        except BaseException:
            await self.close()
            raise


def _count(reply: Any) -> int:
    """The counter: how often keys were changed. Raises BusRefused for what is none."""
    if isinstance(reply, BusRefused):
        raise reply
    try:
        return int(reply or 0)
    except ValueError as error:
        raise BusRefused(f"{names.KEYS_VERSION} is no number") from error


def _version(run_id: str, count: int) -> str:
    """The counter and whose it is: another Redis process may have lost changes and counted others since."""
    return f"{run_id}:{count}"
