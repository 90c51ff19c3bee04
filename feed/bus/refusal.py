"""Why Redis and we can't agree on a connection, in one line that says which knob to look at."""

import ssl
from collections.abc import Iterator
from typing import Final

from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

# What OpenSSL makes of an answer that is no TLS, by version.
NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")
# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
OTHER_NAME: Final = (62, 64)
# Nodes name each other too, and a Sentinel its master: redis.url alone may be right.
NAMED: Final = "Redis has to be called what its certificate says: in redis.url, and where it announces itself"


def refusal(error: BaseException) -> str | None:
    """Why a connection could not be made that another try will not make either; None for a fault of the moment.

    The words are Redis' or OpenSSL's, which quote no password.
    """
    if isinstance(error, AuthenticationError):
        if "required" in str(error):
            return "it wants a password: give redis.password, and redis.username where the user has a name"
        return f"redis.username and redis.password are not accepted: {error}"
    if isinstance(error, ResponseError):
        return str(error)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            if cause.verify_code in OTHER_NAME:
                return f"{cause.verify_message} {NAMED}"
            return f"its certificate is not trusted: {cause.verify_message or cause}; redis.ca_file says whom to trust"
        if isinstance(cause, ssl.SSLError) and cause.reason in NO_TLS:
            return "it doesn't speak TLS on this port: redis.url is rediss://, and redis:// is without TLS"
    return None


def trouble(error: BaseException, *, tls: bool) -> str:
    """What a connection failed of that another try may make."""
    if not isinstance(error, TimeoutError | RedisTimeout):
        return str(error) or type(error).__name__
    # a Redis without TLS takes its beginning for half a command, and waits for the rest
    return "no answer in time" + ("; does it speak TLS on this port, as redis.url says (rediss://)?" if tls else "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    # redis-py wraps what the socket said, and mostly without naming it as the cause
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
