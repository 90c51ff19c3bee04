"""What a token says, once its signature holds: whose it is, until when, and what it entitles to."""

import math
from collections.abc import Mapping
from typing import Any, Final

from feed.access.principal import Principal, Refused, Why
from feed.core.grant import Grant, grant

# What tells a token's principal from a key's, whose ids begin otherwise.
TOKEN_ID: Final = "jwt:"
MAX_SUBJECT: Final = 128
LISTS: Final = ("feeds", "kinds", "symbols")
COUNTS: Final = ("max_connections", "max_symbols")
FLAGS: Final = ("operator",)


def principal_of(claims: Mapping[str, Any], claim: str, now: float, leeway_s: float) -> Principal:
    """The principal of a token whose signature, issuer and audience are right, at Unix time `now`. `claim` names the
    claim that has the entitlements. Raises Refused.

    `expires` is the token's `exp`, by our clock. Leeway is for the issuer's clock: a token that comes already ended, by
    less than the leeway, is good until that is over.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise Refused(Why.BAD_TOKEN)
    who = TOKEN_ID + subject
    end = _time(claims, "exp", who)
    if end is None:
        raise Refused(Why.BAD_TOKEN, who)
    if now >= end + leeway_s:
        raise Refused(Why.EXPIRED, who)
    for start in (_time(claims, "nbf", who), _time(claims, "iat", who)):
        if start is not None and start > now + leeway_s:
            raise Refused(Why.NOT_YET, who)
    try:
        entitled = grant_of(claims.get(claim))
    except ValueError as error:
        raise Refused(Why.BAD_TOKEN, who) from error
    return Principal(who, entitled, expires=end if now < end else end + leeway_s)


def grant_of(entitlements: Any) -> Grant:
    """The grant of a token's claim: an object of any of feeds, kinds, symbols, max_rate, max_connections, max_symbols,
    operator. What it leaves out is not restricted, and nobody is an operator who is not called one. Raises ValueError
    for anything else.

    A field that is not known refuses the token, and so does a null: a misspelt restriction must not widen.
    """
    if not isinstance(entitlements, dict):
        raise ValueError("entitlements: not an object")
    if unknown := sorted(entitlements.keys() - set(Grant._fields)):
        raise ValueError(f"entitlements: {unknown[0]!r} is not one of {', '.join(Grant._fields)}")
    for name, value in entitlements.items():
        if (wrong := _wrong(name, value)) is not None:
            raise ValueError(f"{name}: not {wrong}")
    return grant(**entitlements)


def _wrong(name: str, value: Any) -> str | None:
    """What an entitlement should be and is not; None where it is."""
    if name in LISTS:
        return None if isinstance(value, list) and all(isinstance(text, str) for text in value) else "a list of texts"
    if name in FLAGS:
        return None if isinstance(value, bool) else "true or false"
    # JSON's true is an int to Python
    number = isinstance(value, int if name in COUNTS else int | float) and not isinstance(value, bool)
    return None if number else "a number"


def _time(claims: Mapping[str, Any], name: str, who: str) -> float | None:
    """A time in Unix seconds, None where there is none. Raises Refused for what is no time."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise Refused(Why.BAD_TOKEN, who)
    try:
        return float(value)
    except OverflowError as error:
        raise Refused(Why.BAD_TOKEN, who) from error
