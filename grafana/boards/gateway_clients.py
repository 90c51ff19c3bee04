"""Rows of the gateway's dashboard: who is connected, and who is turned away."""

from typing import Final

from grafana.boards.board import OVERVIEW, REDIS
from grafana.boards.limits import EVEN_ONE, READABLE_OR_NOT, READY_OR_NOT, falling, rising, worth_a_look
from grafana.boards.panel import COUNT, SECONDS, SHARE, WORD, bars, lines, per_s, stat
from grafana.boards.query import GATEWAYS, Query, least, most, of_feeds, of_pods, or_zero, rate, total

DAY_S: Final = 86_400
EACH: Final = "{{feed}} {{pod}}"


TAKEN: Final = (
    f"{total(of_feeds('feed_gateway_connections'), 'namespace, pod')} / on (namespace, pod) "
    f"{of_pods('feed_gateway_connections_limit')}"
)
STATE: Final = (
    stat(
        "Ready",
        "Whether clients should be sent to each gateway: its bus is live, and it does not drain.",
        "not ready: /readyz says why. Its clients are told and reconnect elsewhere. If all are: see Redis and bus.",
        Query(of_pods("feed_gateway_ready"), "{{pod}}"),
        unit=WORD, limits=falling(1), state=READY_OR_NOT, width=6, alerts=["FeedNoGatewayReady"], see=[OVERVIEW, REDIS],
    ),
    stat(
        "Workers missing",
        "Worker processes that a gateway was told to have and that do not answer.",
        "They are started again by themselves; see Restarts for the cause, and the log (worker_lost).",
        Query(f"{of_pods('feed_gateway_workers')} - {of_pods('feed_gateway_workers_up')}", "{{pod}}"),
        unit=COUNT, limits=EVEN_ONE, width=6, decimals=0, alerts=["FeedGatewayWorkersMissing"], see=[OVERVIEW],
    ),
    stat(
        "Certificate ends in",
        "Until the certificate that clients see ends, where the gateway itself speaks TLS.",
        "Renew it: put the new files where gateway.tls_cert and tls_key point; they are read at the next "
        "handshake.",
        Query(f"{most(of_pods('feed_gateway_certificate_end_timestamp_seconds'), 'pod')} - time()", "{{pod}}"),
        unit=SECONDS, limits=falling(3 * DAY_S, 14 * DAY_S), width=6,
        alerts=["FeedCertificateEndsNow", "FeedCertificateEndsSoon"], see=[OVERVIEW],
    ),
    stat(
        "Keys and issuers",
        "Whether keys, or the keys of a token's issuer, could be read at the last look.",
        "unreadable: who is known gets in as before; new keys and revocations are not heard of. keys: see Redis, "
        "or auth.key_file; jwks: the issuer's address, auth.jwt_jwks.",
        Query(least(of_pods("feed_auth_current"), "pod, what"), "{{what}} {{pod}}"),
        unit=WORD, limits=falling(1), state=READABLE_OR_NOT, width=6, alerts=["FeedAuthUnreadable"], see=[REDIS],
    ),
    lines(
        "Connections",
        "Open WebSocket connections.",
        "A sudden fall is a restart or a network: clients come back within a minute, see Resumes. Uneven pods: "
        "the balancer.",
        Query(total(of_feeds("feed_gateway_connections"), "feed, pod"), EACH),
        unit=COUNT, see=[OVERVIEW],
    ),
    bars(
        "Connections of the limit",
        "What share of gateway.max_connections is taken.",
        "At 100 % new clients get 503. Another gateway, or a higher limit: 20 kB a connection, 45 kB with TLS.",
        Query(TAKEN, "{{pod}}"),
        unit=SHARE, limits=rising(0.8, 0.6), least=0, alerts=["FeedConnectionsNearLimit"], see=[OVERVIEW],
    ),
    lines(
        "Guests",
        "Connections that were let in, by kind of proof: a key or a token.",
        "None at all where clients must prove who they are: that gateway runs with auth.mode none.",
        Query(total(of_pods("feed_gateway_guests"), "auth"), "{{auth}}"),
        unit=COUNT, see=[OVERVIEW],
    ),
    lines(
        "Subscriptions, cohorts and streams",
        "Streams and wildcards that clients hold; groups of clients that get the same bytes; streams that are read "
        "from Redis.",
        "As many cohorts as connections: every client asks for something else, and each costs a frame of its own.",
        Query(total(of_feeds("feed_gateway_subscriptions"), "feed"), "{{feed}} subscriptions"),
        Query(total(of_feeds("feed_gateway_cohorts"), "feed"), "{{feed}} cohorts"),
        Query(total(of_feeds("feed_gateway_streams"), "feed"), "{{feed}} streams"),
        unit=COUNT, see=[OVERVIEW],
    ),
)  # fmt: skip


DOOR: Final = (
    lines(
        "Handshakes",
        "WebSocket handshakes, by result.",
        "too_fast, too_many: one address (gateway.handshakes_per_s, max_connections_per_address): behind a proxy "
        "set gateway.trusted_proxies. full: gateway.max_connections. late: slow or idle attackers.",
        Query(total(rate(of_pods("feed_gateway_handshakes_total")), "result"), "{{result}}"),
        unit=per_s("handshakes"), see=[OVERVIEW],
    ),
    lines(
        "Credentials refused",
        "Credentials that were presented and let nobody in, by why.",
        "no_key and bad_secret at a steady rate: somebody tries keys out, or a client has an old one: the log "
        "names address and key. unavailable: see Keys and issuers.",
        Query(
            or_zero(
                total(rate(of_pods("feed_auth_attempts_total", 'result="refused"')), "reason"), GATEWAYS, "reason"
            ),
            "{{reason}}",
        ),
        unit=per_s("attempts"), limits=rising(1, 0.1), alerts=["FeedAuthFailures"], see=[OVERVIEW],
    ),
    lines(
        "Refusals",
        "What clients asked for and may not have, by what.",
        "A client's program asks for more than its key grants: `feed key list` shows what that is.",
        Query(or_zero(total(rate(of_pods("feed_gateway_refusals_total")), "reason"), GATEWAYS, "reason"),
              "{{reason}}"),
        unit=per_s("refusals"), limits=worth_a_look(1), see=[OVERVIEW],
    ),
    lines(
        "Errors",
        "Error messages that clients were sent, by code.",
        "400 and 405 are their programs' mistakes; 407 a slow client; 429 too many commands; 500 is ours: the bus "
        "did not confirm a subscription.",
        Query(or_zero(total(rate(of_pods("feed_gateway_errors_total")), "code"), GATEWAYS, "code"), "{{code}}"),
        unit=per_s("errors"), limits=worth_a_look(10), see=[OVERVIEW, REDIS],
    ),
    lines(
        "Closes",
        "Connections that the gateway closed, by close code.",
        "1012 is a drain; 4008 slow clients; 4501 and 4503 credentials; 1011 a fault of ours: see the log.",
        Query(or_zero(total(rate(of_pods("feed_gateway_closes_total")), "code"), GATEWAYS, "code"), "{{code}}"),
        unit=per_s("closes"), see=[OVERVIEW],
    ),
)  # fmt: skip
