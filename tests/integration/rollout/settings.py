"""The proxy's settings as they are deployed, fit for processes on one machine: another entrance, other gateways."""

import re

SLOTS = 6


def fitted(deployed: str, entrance_fd: int, control: str) -> str:
    """The proxy's file with all that decides about connections as it is deployed: balance, probes, retries, time-outs.

    In place of the port with TLS it takes connections from an open socket, and it has as many empty places for gateways
    as a rolling update needs, which are filled over the socket `control`. Raises ValueError where the file has not the
    lines that are replaced.
    """
    kept = [part for part in _sections(deployed) if not part.startswith(("resolvers", "frontend health"))]
    text = "".join(kept)
    text = _once(r"(?m)^global$", f"global\n    stats socket {control} level admin", text)
    text = _once(r"(?m)^ +log stdout .*$", "", text)
    text = _once(r"(?m)^ +bind :8443 .*$", f"    bind fd@{entrance_fd}", text)
    text = _once(r"(?m)^ +http-request set-header X-Forwarded-Proto https$", "", text)
    text = _once(r" resolvers \S+ init-addr \S+", "", text)
    text, found = re.subn(r"(?m)^ +server gateway-\d+ .*\n", "", text)
    if not found:
        raise ValueError("the proxy's file names no gateways")
    return text + "".join(f"    server place-{number} 127.0.0.1:1 disabled\n" for number in range(SLOTS))


def _sections(text: str) -> list[str]:
    """A section is a word at the line's beginning, and the lines after it that are not."""
    return re.split(r"(?m)^(?=[a-z])", text)


def _once(pattern: str, by: str, text: str) -> str:
    text, found = re.subn(pattern, by, text)
    if found != 1:
        raise ValueError(f"the proxy's file has {found} times what {pattern!r} finds")
    return text
