"""Market-data streaming: venues in, Redis in the middle, WebSocket clients out."""

__version__ = "0.1.0"
