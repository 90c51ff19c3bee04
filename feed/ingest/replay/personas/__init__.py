"""Venues that a recording can be played back as, by name, and which of them a frame comes from."""

from collections.abc import Callable
from typing import Any, Final

from feed.ingest.replay.personas.binance import Binance
from feed.ingest.replay.personas.coinbase import Coinbase
from feed.ingest.replay.personas.kraken import Kraken
from feed.ingest.replay.personas.persona import Dialogue, Persona, Refusal, Reply, Rhythm

PERSONAS: Final[dict[str, Callable[[], Persona]]] = {"binance": Binance, "coinbase": Coinbase, "kraken": Kraken}


def venue_of(message: Any) -> str | None:
    """The name of the venue whose frame this is, or None."""
    if isinstance(message, list):
        return "kraken"
    if "stream" in message or "result" in message:
        return "binance"
    if "event" in message:
        return "kraken"
    if "type" in message:
        return "coinbase"
    return None


__all__ = ["PERSONAS", "Dialogue", "Persona", "Refusal", "Reply", "Rhythm", "venue_of"]
