"""The service under test on a real cluster: three masters, each with a replica."""

import random
from collections.abc import Sequence
from pathlib import Path

from feed.bus.embedded import servers
from feed.bus.names import channel
from feed.bus.topology import slot_of
from feed.core.streams import Stream
from tests.bus.cluster import Cluster, cluster
from tests.chaos.stage import Stage

MASTERS = 3


class ClusterStage(Stage):
    """As the other, but that Redis is many. What a node had on disk counts when it comes back."""

    def __init__(
        self, directory: Path, server: str, seed: int, *, recording: Sequence[Path] = (), rate: float = 250.0
    ) -> None:
        """`server` is one of `servers()`."""
        super().__init__(directory, "none", seed, recording=recording, rate=rate)
        self._server = server
        self._nodes: Cluster | None = None

    @property
    def nodes(self) -> Cluster:
        assert self._nodes is not None
        return self._nodes

    def _begin(self) -> None:
        self._nodes = self._stack.enter_context(cluster(servers()[self._server], MASTERS))

    def slot_of_a_stream(self, chance: random.Random) -> int:
        return slot_of(channel(Stream("binance", chance.choice(("trades", "quotes")), chance.choice(self.symbols))))

    def keep_snapshot(self) -> None:
        return  # no node is set back here: its replica would take over first

    def _redis(self) -> tuple[str, str]:
        return "--redis", self.nodes.url
