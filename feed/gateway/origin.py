"""Which pages may connect: a browser sends cookies and tells the Origin, and keeps no other rule for WebSockets."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def allowed(headers: Mapping[str, str]) -> bool:
    """Pages that this gateway served itself, and programs, which send no Origin."""
    origin = headers.get("Origin")
    if origin is None:
        return True
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:  # brackets without an address between them
        return False
    return host != "" and host == headers.get("Host", "").lower()
