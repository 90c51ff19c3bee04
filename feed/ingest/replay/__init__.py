"""Plays recordings of a venue's frames back as that venue's own WebSocket."""

from feed.ingest.replay.recording import RecordingError
from feed.ingest.replay.server import Progress, Replay

__all__ = ["Progress", "RecordingError", "Replay"]
