"""Every way in, every state of a credential, every action; and one short oracle of what each must come to."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from feed.core.grant import EVERYTHING, Grant, grant
from feed.core.keys import Kept, KeyRecord, digest
from tests.access.issuer import claims, ec_key, live, public_pem

ORIGIN: Final = "https://desk.example.com"
FOREIGN: Final = "https://evil.example.com"
COOKIE: Final = "session"
OWN: Final = "AAPL"
OTHER: Final = "BTC/USDT"
GRANT: Final = grant(["sim"], ["trades", "bars"], ["AA*"], max_rate=5)
MODES: Final = ("keys", "jwt", "keys+jwt")

# how a credential is presented, and what kind it is
MESSAGES: Final = {"key in a message": "key", "token in a message": "token", "token for a secret": "token"}
HEADERS: Final = {"apca headers": "key", "bearer": "token", "token in the apca headers": "token",
                  "cookie of our own page": "token", "cookie of a page that may": "token"}  # fmt: skip
USELESS: Final = ("nothing", "cookie without an origin", "cookie of another origin", "two at once")
KEY_STATES: Final = (
    "good", "rotated, in its overlap", "rotated, past its overlap", "wrong secret", "no secret", "unknown", "revoked",
    "expired", "another mode",
)  # fmt: skip
TOKEN_STATES: Final = (
    "good", "expired", "not yet", "other issuer", "other audience", "other signer", "signed with what is public",
    "not signed", "tampered with", "no entitlements", "another mode",
)  # fmt: skip
GOOD: Final = ("good", "rotated, in its overlap")

STREAM_ACTIONS: Final[dict[str, dict[str, Any]]] = {
    "connect": {"action": "auth"},
    "own symbol": {"action": "subscribe", "trades": [OWN]},
    "other symbol": {"action": "subscribe", "trades": [OWN, OTHER]},
    "other kind": {"action": "subscribe", "quotes": [OWN]},
    "other feed": {"action": "subscribe", "trades": [OWN]},
    "every symbol": {"action": "subscribe", "trades": ["*"]},
    "every tick": {"action": "subscribe", "trades": [OWN], "rate": 0},
    "resume": {"action": "subscribe", "trades": [OWN], "since": {f"trades:{OWN}": {"epoch": None, "seq": 0}}},
    "resume of another": {"action": "subscribe", "trades": ["*"],
                          "since": {f"trades:{OTHER}": {"epoch": "long-ago", "seq": 5}}},
}  # fmt: skip
REST_ACTIONS: Final = {
    "own last": f"/v2/sim/latest?kind=trades&symbols={OWN}",
    "another's last": f"/v2/sim/latest?kind=trades&symbols={OWN},{OTHER}",
    "other kind": f"/v2/sim/latest?kind=quotes&symbols={OWN}",
    "own history": f"/v2/sim/history?stream=trades:{OWN}",
    "another's history": f"/v2/sim/history?stream=trades:{OTHER}",
    "symbols": "/v2/sim/symbols",
    "other feed": "/v2/quiet/symbols",
}
FORBIDDEN: Final = frozenset(
    ("other symbol", "other kind", "every tick", "another's last", "another's history", "other feed")
)


class Cell(NamedTuple):
    """One attempt. `depth` 0 is REST."""

    way: str
    state: str
    action: str
    depth: int
    packed: bool

    @property
    def mode(self) -> str:
        """The gateway that is tried."""
        if self.state != "another mode":
            return "keys+jwt"
        return "jwt" if (MESSAGES | HEADERS).get(self.way) == "key" else "keys"


class Outcome(NamedTuple):
    """`code` of the error or of the HTTP answer, 0 for none; `close` of the connection, 0 where it lives on."""

    code: int
    close: int


def expected(cell: Cell) -> Outcome:
    """What an attempt must come to."""
    let_in = cell.state in GOOD and cell.way not in USELESS
    refused = cell.action in FORBIDDEN and not (cell.depth == 1 and cell.action == "every tick")
    if cell.depth == 0:
        return Outcome(200 if let_in and not refused else 403 if let_in else 401, 0)
    if cell.way == "cookie of another origin":
        return Outcome(403, 0)  # the handshake's
    if cell.way in ("nothing", "cookie without an origin"):
        return Outcome(401, 0)
    if not let_in:
        return Outcome(402, 4501)
    return Outcome(409, 4503) if cell.action == "other feed" else Outcome(409 if refused else 0, 0)


def cells() -> Iterator[Cell]:
    speeches = [(depth, packed) for depth in (1, 2) for packed in (False, True)]
    for way in (*MESSAGES, *HEADERS, *USELESS):
        kind = (MESSAGES | HEADERS).get(way)
        for state in KEY_STATES if kind == "key" else TOKEN_STATES if kind else ("good",):
            for depth, packed in speeches:
                for action in STREAM_ACTIONS:
                    if way not in USELESS or action != "connect":
                        yield Cell(way, state, action, depth, packed)
            if way not in MESSAGES:
                for action in REST_ACTIONS:
                    yield Cell(way, state, action, 0, False)


class Desk:
    """Credentials in every state: keys as they are to be stored, tokens as the issuer and others sign them."""

    def __init__(self) -> None:
        now = time.time()
        self.records: list[KeyRecord] = []
        self.keys: dict[str, tuple[str, str]] = {}
        day = 86_400.0
        self._key("good")
        self._key("wide", EVERYTHING)
        self._key("rotated, in its overlap", rotated=now + day)
        self._key("rotated, past its overlap", rotated=now - 1.0)
        self._key("revoked", revoked=now - day)
        self._key("expired", expires=now - 1.0)
        good, secret = self.keys["good"]
        self.keys |= {
            "wrong secret": (good, "fs_" + "A" * 43), "no secret": (good, ""),
            "unknown": ("fk_" + "z" * 16, secret), "another mode": (good, secret),
        }  # fmt: skip
        entitled = self.entitled(GRANT)
        self.tokens = {
            "good": live(feed=entitled),
            "another mode": live(feed=entitled),
            "expired": live(feed=entitled, exp=now - 3_600),
            "not yet": live(feed=entitled, nbf=now + 3_600),
            "other issuer": live(feed=entitled, iss="https://other.example.com"),
            "other audience": live(feed=entitled, aud="another"),
            "other signer": live(number=1, feed=entitled),
            "signed with what is public": _forged("HS256", claims(now, feed=entitled), public_pem(ec_key(0))),
            "not signed": _forged("none", claims(now, feed=entitled), b""),
            "no entitlements": live(feed=None),
        }
        head, body, signature = self.tokens["good"].split(".")
        wider = _part(json.loads(_bytes(body)) | {"feed": {}})
        self.tokens["tampered with"] = f"{head}.{wider}.{signature}"

    @staticmethod
    def entitled(granted: Grant) -> dict[str, Any]:
        found = {
            name: sorted(value) if isinstance(value, frozenset) else value for name, value in granted._asdict().items()
        }
        return {name: value for name, value in found.items() if value is not None}

    def message(self, cell: Cell) -> dict[str, str]:
        """The `auth` of a first message."""
        if MESSAGES[cell.way] == "key":
            key, secret = self.keys[cell.state]
            return {"action": "auth", "key": key, "secret": secret}
        token = self.tokens[cell.state]
        if cell.way == "token for a secret":
            return {"action": "auth", "key": "jwt", "secret": token}
        return {"action": "auth", "token": token}

    def headers(self, cell: Cell, page: str) -> dict[str, str]:
        """What comes with the handshake, or with a request; `page` is the gateway's own origin."""
        token = self.tokens.get(cell.state, "")
        cookie = {"Cookie": f"theme=dark; {COOKIE}={token}"}
        match cell.way:
            case "apca headers":
                key, secret = self.keys[cell.state]
                return {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
            case "token in the apca headers":
                return {"APCA-API-KEY-ID": "jwt", "APCA-API-SECRET-KEY": token}
            case "bearer":
                return {"Authorization": f"Bearer {token}"}
            case "cookie of our own page":
                return {**cookie, "Origin": page}
            case "cookie of a page that may":
                return {**cookie, "Origin": ORIGIN}
            case "cookie without an origin":
                return cookie
            case "cookie of another origin":
                return {**cookie, "Origin": FOREIGN}
            case "two at once":
                key, secret = self.keys["good"]
                return {"Authorization": f"Bearer {token}", "APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        return {}

    def _key(self, state: str, granted: Grant = GRANT, rotated: float | None = None, **times: float) -> None:
        letter = "abcdefgh"[len(self.records)]
        key, secret = "fk_" + letter * 16, "fs_" + letter * 43
        secrets = (Kept(digest(secret)),) if rotated is None else (Kept(digest("new")), Kept(digest(secret), rotated))
        self.records.append(KeyRecord(key, f"desk-{letter}", granted, secrets, created=0.0, **times))
        self.keys[state] = key, secret


def _forged(algorithm: str, said: dict[str, Any], secret: bytes) -> str:
    """A token as no library would make it."""
    text = f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(said)}"
    signature = hmac.digest(secret, text.encode(), hashlib.sha256) if secret else b""
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _part(fields: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
