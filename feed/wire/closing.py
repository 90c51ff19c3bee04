"""Close codes. 4000 to 4499 ask the client to reconnect, 4500 to 4999 not to: a client needs no table."""

from enum import IntEnum


class Close(IntEnum):
    GOING_AWAY = 1001
    TOO_BIG = 1009
    INTERNAL = 1011
    DRAIN = 1012
    OVERLOADED = 1013
    TOKEN_EXPIRED = 4005
    SLOW = 4008
    TOO_MANY_COMMANDS = 4029
    NOT_AUTHENTICATED = 4501
    NOT_ALLOWED = 4503
    CONNECTION_LIMIT = 4506
