"""A reader of one Redis whose connections are made by hand."""

from feed.bus import names
from feed.bus.masters import OWN, Masters
from feed.bus.reader import Reader
from feed.bus.reading import Listener
from feed.bus.subscriber_meters import SubscriberMeters
from feed.settings import Values


class Nobody:
    """Owns readers that never lose their way."""

    def astray(self) -> None: ...

    def linked(self) -> None: ...


def reader(listener: Listener) -> Reader:
    return Reader(OWN, Masters(Values().redis, "test"), Nobody(), listener, SubscriberMeters(), names.HEARTBEAT, "test")
