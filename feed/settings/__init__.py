"""Every knob of the service: the models, and what `feed.settings.sources.load` fills them from."""

from feed.settings.models import (
    Auth,
    Binance,
    Drain,
    Flush,
    Gateway,
    History,
    Ingest,
    Log,
    Metrics,
    Publish,
    Redis,
    Section,
    Sim,
    Values,
)

__all__ = [
    "Auth",
    "Binance",
    "Drain",
    "Flush",
    "Gateway",
    "History",
    "Ingest",
    "Log",
    "Metrics",
    "Publish",
    "Redis",
    "Section",
    "Sim",
    "Values",
]
