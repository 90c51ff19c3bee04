"""What a connection is subscribed to at one master, brought to what is wanted of it."""

from feed.bus.connect import Link
from feed.bus.pubsub import Words
from feed.bus.topology import slot_of


class Subscriptions:
    """A channel whose slot left the master is not asked for again until it is known where it went."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._subscribed: set[bytes] = set()
        self._left: set[bytes] = set()

    def anew(self) -> None:
        """Over a new connection, which is subscribed to nothing."""
        self._subscribed.clear()
        self._left.clear()

    def again(self, channel: bytes) -> None:
        """Subscribed or not, it is to be subscribed again: a new confirmation is wanted."""
        self._subscribed.discard(channel)
        self._left.discard(channel)

    def left(self, channel: bytes) -> bool:
        """The master brings nothing of a channel any more; whether it did until now."""
        if channel not in self._subscribed:
            return False
        self._subscribed.discard(channel)
        self._left.add(channel)
        return True

    def of_slot(self, slot: int) -> list[bytes]:
        """The channels of a slot."""
        return [channel for channel in self._subscribed if slot_of(channel.decode()) == slot]

    def retry(self) -> bool:
        """It was looked where slots are: what left is here all the same, if it is still wanted. Whether anything is."""
        some = bool(self._left)
        self._left.clear()
        return some

    async def bring(self, pushes: Link, wanted: set[bytes]) -> None:
        """Subscribes and unsubscribes. What is wanted may change while a command is sent: each is entered in the books
        before, so that a channel wanted anew meanwhile is subscribed anew. Raises BusDown."""
        self._left &= wanted
        wanted = wanted - self._left
        new, gone = sorted(wanted - self._subscribed), sorted(self._subscribed - wanted)
        self._subscribed = wanted
        for command, channels in ((self._words.subscribe, new), (self._words.unsubscribe, gone)):
            for at in range(0, len(channels), self._words.at_once):
                await pushes.send(command, *channels[at : at + self._words.at_once])
