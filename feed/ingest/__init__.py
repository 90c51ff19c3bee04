"""Venues in: connectors, parsers, the simulator, replay, and the worker that publishes their ticks."""
