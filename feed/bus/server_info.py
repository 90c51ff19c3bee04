"""What a Redis server says of itself in INFO, as far as it bears on whether ticks come through.

Sources: the INFO texts of redis-server 7.0 and Valkey 9. Both, and all between them, take several sections at once.
"""

from typing import Final, NamedTuple

# "server" first: a user may be allowed INFO for this word only, which each connection asks for. It lets the others in.
SECTIONS: Final = ("server", "clients", "memory", "stats", "cpu")


class ServerInfo(NamedTuple):
    """None is what this server, or this version, does not say. Processor time is of all its threads, and no child."""

    uptime_s: float | None = None
    memory_bytes: float | None = None
    memory_limit_bytes: float | None = None
    clients: float | None = None
    cpu_s: float | None = None
    commands: float | None = None
    evicted: float | None = None
    clients_cut: float | None = None


FIELDS: Final = {
    "uptime_s": ("uptime_in_seconds",),
    "memory_bytes": ("used_memory",),
    "memory_limit_bytes": ("maxmemory",),
    "clients": ("connected_clients",),
    "cpu_s": ("used_cpu_sys", "used_cpu_user"),
    "commands": ("total_commands_processed",),
    "evicted": ("evicted_keys",),
    "clients_cut": ("client_output_buffer_limit_disconnections",),
}
"""The lines of INFO whose sum each is."""


def parse(text: bytes) -> ServerInfo:
    """Reads INFO's answer. A line that is missing, or is no number, is taken for unsaid."""
    lines = dict(line.partition(":")[::2] for line in text.decode(errors="replace").splitlines())
    return ServerInfo(**{name: _sum([lines.get(of) for of in names]) for name, names in FIELDS.items()})


def _sum(said: list[str | None]) -> float | None:
    numbers = [float(text) for text in said if text is not None and text.replace(".", "", 1).isdecimal()]
    return sum(numbers) if len(numbers) == len(said) else None
