"""How the bus fails, without redis-py's names."""


class BusDown(Exception):
    """The connection to Redis failed, was refused, or gave no answer in time. It was thrown away: make another."""


class BusRefused(Exception):
    """Redis answered a command with an error that another try on the same connection will not mend."""
