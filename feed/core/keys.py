"""Keys: what is kept of one, whether a secret is its own, how it is rotated. Of a secret only its SHA-256 is kept."""

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson

from feed.core.grant import Grant, grant

VERSION: Final = 1
ID_BYTES: Final = 10
SECRET_BYTES: Final = 32
ID: Final = re.compile(r"fk_[a-z2-7]{16}")
NAME: Final = re.compile(r"(?!fk_)[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
DURATION: Final = re.compile(r"(\d{1,9})([smhdw])")
UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST_S: Final = 36_500 * 86_400
# All are compared for each client: the one in force, and those that it replaced and whose overlap lasts.
MAX_SECRETS: Final = 4
PROOF_DIGITS: Final = 16
# What an unknown key's secret is compared with, so that its answer comes no sooner: no text is known to have this hash.
NOBODYS: Final = "0" * 64


class Fault(StrEnum):
    """Why a key lets nobody in; the words are those of `feed.access.principal.Why`."""

    NO_KEY = "no_key"
    BAD_SECRET = "bad_secret"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Kept(NamedTuple):
    """What is kept of a secret: its SHA-256 in hex, and its end in Unix seconds once it was rotated out."""

    digest: str
    until: float | None = None


class KeyRecord(NamedTuple):
    """A key. Times are Unix seconds; `secrets` has the newest first, one at least."""

    id: str
    name: str
    grant: Grant
    secrets: tuple[Kept, ...]
    created: float
    expires: float | None = None
    revoked: float | None = None

    def fault(self, now: float) -> Fault | None:
        """Why the key as such is no good at `now`, whatever the secret."""
        if self.revoked is not None:
            return Fault.REVOKED
        return Fault.EXPIRED if self.expires is not None and self.expires <= now else None


# Left out where it is false: a version that does not know it must go on to read all keys but an operator's.
OPERATOR: Final = "operator"
FIELDS: Final = {"v", *KeyRecord._fields, *Grant._fields} - {"id", "grant", OPERATOR}


class Stored(NamedTuple):
    """All keys of a store, id to JSON, as they were at `version`, which is text that only the store understands."""

    version: str
    keys: Mapping[str, bytes]


Edit = Callable[[Mapping[str, bytes]], tuple[str, bytes]]
"""Given all keys, says the id and the JSON of the one to write. May be called again, if others wrote meanwhile."""


def new_id(random: bytes) -> str:
    """A key's public name, of ID_BYTES random bytes."""
    return "fk_" + base64.b32encode(random).decode().lower()


def new_secret(random: bytes) -> str:
    """A secret, of SECRET_BYTES random bytes: so many that a slow hash would protect nothing more."""
    return "fs_" + base64.urlsafe_b64encode(random).decode().rstrip("=")


def digest(secret: str) -> str:
    """SHA-256 of a secret in hex, of any text that a client may send for one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def proof(digest: str) -> str:
    """The fingerprint that tells a key's secrets apart."""
    return digest[:PROOF_DIGITS]


def check(record: KeyRecord | None, secret: str, now: float) -> Fault | None:
    """Why `secret` does not open the key at Unix time `now`; None where it does.

    Takes as long for an unknown key as for a known one, and as long for a wrong secret as for the right one.
    """
    presented = digest(secret)
    kept = record.secrets if record is not None else ()
    against = (*(one.digest for one in kept), *(NOBODYS,) * (MAX_SECRETS - len(kept)))
    same = [hmac.compare_digest(presented, one) for one in against]
    if record is None:
        return Fault.NO_KEY
    if True not in same:
        return Fault.BAD_SECRET
    return record.fault(now) or _ended(kept[same.index(True)], now)


def standing(record: KeyRecord | None, proof_of_it: str, now: float) -> Fault | None:
    """Why somebody who proved a secret of the key once may not stay at `now`; None where all is well."""
    if record is None:
        return Fault.NO_KEY
    used = next((one for one in record.secrets if proof(one.digest) == proof_of_it), None)
    # a rotation drops secrets that have ended
    return record.fault(now) or (Fault.EXPIRED if used is None else _ended(used, now))


def _ended(kept: Kept, now: float) -> Fault | None:
    return Fault.EXPIRED if kept.until is not None and kept.until <= now else None


def find(records: Iterable[KeyRecord], word: str, now: float) -> KeyRecord | None:
    """The key of an id or a name; of several with a name the one in force, else the newest: names are free again once
    their key is revoked or expired."""
    of_name = [record for record in records if word in (record.id, record.name)]
    return max(of_name, key=lambda record: (record.fault(now) is None, record.created), default=None)


def rotated(record: KeyRecord, digest: str, overlap_s: float, now: float) -> KeyRecord:
    """The key with a new secret; those before end within `overlap_s`. Raises ValueError where that can't be."""
    fault = record.fault(now)
    if fault is not None:
        raise ValueError(f"{record.id} is {fault.value}")
    end = now + overlap_s
    before = (one._replace(until=end if one.until is None else min(one.until, end)) for one in record.secrets)
    lasting = tuple(one for one in before if _ended(one, now) is None)
    if len(lasting) >= MAX_SECRETS:
        raise ValueError(f"{record.id} has {len(lasting)} secrets in force: rotate it with a shorter overlap")
    return record._replace(secrets=(Kept(digest), *lasting))


def duration_s(text: str) -> float:
    """Seconds of `90d`, `24h`, `30m`, `10s`, `2w`. Raises ValueError for anything else, and beyond 100 years."""
    found = DURATION.fullmatch(text)
    seconds = int(found[1]) * UNIT_S[found[2]] if found else math.inf
    if seconds > LONGEST_S:
        raise ValueError(f"{text!r} is not a duration such as 90d, 24h, 30m or 0s")
    return float(seconds)


def to_json(record: KeyRecord) -> bytes:
    """The key as it is stored, without its id."""
    fields = record._asdict() | record.grant._asdict() | {"v": VERSION}
    del fields["id"], fields["grant"]
    if not record.grant.operator:
        del fields[OPERATOR]
    for field in ("feeds", "kinds", "symbols"):
        fields[field] = None if fields[field] is None else sorted(fields[field])
    fields["secrets"] = [one._asdict() for one in record.secrets]
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def from_json(key_id: str, data: bytes) -> KeyRecord:
    """The key of `to_json`. Raises ValueError, naming the key, for anything else.

    A field that this version does not know may be a restriction: such a key is not read at all.
    """
    try:
        fields = orjson.loads(data)
        if not isinstance(fields, dict) or _count("v", fields.get("v")) != VERSION:
            raise ValueError("of a version that is not known here")
        if not ID.fullmatch(key_id) or fields.keys() - {OPERATOR} != FIELDS:
            raise ValueError("its id or its fields are not those of a key")
        return KeyRecord(
            id=key_id,
            name=_matching("name", NAME, fields["name"]),
            grant=_grant(fields),
            secrets=_secrets(fields["secrets"]),
            created=_number("created", fields["created"]),
            expires=_optional("expires", fields["expires"]),
            revoked=_optional("revoked", fields["revoked"]),
        )
    except ValueError as error:
        raise ValueError(f"unreadable key {key_id!r}: {error}") from error


def _grant(fields: dict[str, Any]) -> Grant:
    if fields["symbols"] is None:
        raise ValueError("symbols: not a list of texts")
    return grant(
        _texts("feeds", fields["feeds"]),
        _texts("kinds", fields["kinds"]),
        _texts("symbols", fields["symbols"]),
        _number("max_rate", fields["max_rate"]),
        _count("max_connections", fields["max_connections"]),
        _count("max_symbols", fields["max_symbols"]),
        _flag(OPERATOR, fields.get(OPERATOR, False)),
    )


def _secrets(value: Any) -> tuple[Kept, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SECRETS:
        raise ValueError(f"secrets: not a list of 1 to {MAX_SECRETS}")
    if not all(isinstance(one, dict) and one.keys() == set(Kept._fields) for one in value):
        raise ValueError("secrets: not each a digest and its end")
    return tuple(Kept(_matching("digest", DIGEST, one["digest"]), _optional("until", one["until"])) for one in value)


def _texts(field: str, value: Any) -> list[str] | None:
    if value is not None and not (isinstance(value, list) and all(isinstance(text, str) for text in value)):
        raise ValueError(f"{field}: not a list of texts")
    return value


def _matching(field: str, pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{field}: not of the form {pattern.pattern}")
    return value


def _number(field: str, value: Any) -> float:
    # Python counts True as 1
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{field}: not a number")
    return float(value)


def _optional(field: str, value: Any) -> float | None:
    return None if value is None else _number(field, value)


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{field}: not true or false")
    return value


def _count(field: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{field}: not a whole number")
    return value
