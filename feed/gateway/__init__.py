"""WebSocket clients out: hub, sessions, HTTP."""
