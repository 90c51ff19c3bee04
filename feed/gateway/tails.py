"""What a feed's tails may hold together."""

from collections import deque

from feed.gateway.live import LiveStream


class Tails:
    """Bounds all tails of a feed: of too many messages the oldest go, chunk by chunk, whichever stream they are of."""

    def __init__(self, max_messages: int) -> None:
        self.messages = 0
        self._max_messages = max_messages
        self._chunks: deque[LiveStream] = deque()  # whose, in the order in which they came

    def grew(self, live: LiveStream, messages: int) -> None:
        """The stream's tail has one more chunk, of so many messages."""
        if messages:
            self._chunks.append(live)
            self.messages += messages
        while self.messages > self._max_messages:
            self.messages -= self._chunks.popleft().tail.drop_oldest()
