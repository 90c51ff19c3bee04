"""Counters of a gateway that are seen from its beginning: Prometheus takes what it first sees of one for its start, and
would miss the first event of each kind."""

from feed import metrics
from feed.access.principal import Why
from feed.gateway.entitled import FEED, KIND, RATE, SYMBOL
from feed.gateway.guests import CONNECTIONS, OTHER_SUBJECT
from feed.gateway.identity import UNPROVEN
from feed.gateway.operator import OPERATOR
from feed.gateway.session import UNANSWERED
from feed.wire.closing import Close
from feed.wire.errors import Code


def begin() -> None:
    """For those that are of the whole process. What is of a feed begins with its hub."""
    for code in Code:
        metrics.GATEWAY_ERRORS.labels(str(int(code)))
    for closed in (*(str(int(close)) for close in Close), UNANSWERED):
        metrics.GATEWAY_CLOSES.labels(closed)
    metrics.AUTH_ATTEMPTS.labels("accepted", "")
    for why in Why:
        metrics.AUTH_ATTEMPTS.labels("refused", why.value)
    for reason in (FEED, KIND, SYMBOL, RATE, OPERATOR, OTHER_SUBJECT, CONNECTIONS, UNPROVEN):
        metrics.GATEWAY_REFUSALS.labels(reason)
