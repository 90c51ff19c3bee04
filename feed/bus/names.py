"""Redis names. A stream's keys and channel share one hash tag, so that a cluster keeps them on one shard."""

from feed.core.streams import Stream

HEARTBEAT = "feed:heartbeat"
KEYS = "feed:keys"
KEYS_VERSION = "{feed:keys}:version"
ASKED = "feed:asked"


def heartbeat(tag: str) -> str:
    """Pub/sub channel on which gateways beat; in a cluster one of each shard, by a tag that is the shard's."""
    return f"{HEARTBEAT}:{{{tag}}}" if tag else HEARTBEAT


def log_key(stream: Stream) -> str:
    """Redis Stream: entry id `SEQ-0`, field `d`, the encoded tick or in-band gap."""
    return f"{{{stream.name}}}:log"


def meta_key(stream: Stream) -> str:
    """Hash: where the stream stands, written by `publish.lua` only."""
    return f"{{{stream.name}}}:meta"


def channel(stream: Stream) -> str:
    """Pub/sub channel of a stream's messages."""
    return f"{{{stream.name}}}"


def symbols_key(feed: str) -> str:
    """Set of a feed's stream names, and the channel on which new ones are announced."""
    return f"feed:{feed}:symbols"


def workers_channel(feed: str) -> str:
    """Pub/sub channel on which a feed's workers beat each second, see `feed.bus.beats`."""
    return f"feed:{feed}:worker"


def worker_key(feed: str, worker_id: str) -> str:
    """Expires 3 s after a worker's last beat."""
    return f"feed:{feed}:worker:{worker_id}"


def lease_key(principal_id: str) -> str:
    """Hash: how many connections a key or a token's subject has by gateway process, see `leases.lua`.

    All in one slot, as they are asked for together."""
    return f"{{feed:lease}}:{principal_id}"


def answers_key(question: str) -> str:
    """Hash: what each process answered, see `feed.bus.inquiries`. Expires."""
    return f"{{{ASKED}}}:{question}"
