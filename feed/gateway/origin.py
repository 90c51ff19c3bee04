"""Which pages may connect: a browser sends cookies and tells the Origin, and keeps no other rule for WebSockets."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def allowed(headers: Mapping[str, str]) -> bool:
    """Pages that this gateway served itself, and programs, which send no Origin."""
    origin = headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("Host", "").lower()
