"""The certificate that clients see, read again when its files change, for the next handshake."""

import asyncio
import os
import ssl
import time
from pathlib import Path
from typing import Final

import structlog

from feed import metrics

LOOK_S: Final = 2.0
# Forward secrecy and authenticated encryption, and nothing else; TLS 1.3 has no others.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"

Signature = tuple[tuple[int, int, int], ...]

log = structlog.get_logger(__name__)


class Tls:
    """The TLS of a listening socket. `context` is good for one handshake: the next may have another."""

    def __init__(self, cert: str, key: str) -> None:
        """Reads the files. Raises ValueError, with a line that says which file and what is wrong with it."""
        self._cert = cert
        self._key = key
        self._signature = self._sign()
        self.context, ends = context_of(cert, key, time.time())
        metrics.GATEWAY_CERTIFICATE.labels().set(ends)

    async def run(self) -> None:
        """Looks for changes every `LOOK_S`, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look(time.time())

    async def look(self, now: float) -> None:
        """Takes files that changed, at Unix time `now`. Broken ones are told of once, and what there was stays."""
        signature = await asyncio.to_thread(self._sign)
        if signature == self._signature:
            return
        self._signature = signature
        try:
            # certificates that are being exchanged are looked at again when the second file has changed too
            self.context, ends = await asyncio.to_thread(context_of, self._cert, self._key, now)
        except ValueError as error:
            log.error("certificate_refused", error=str(error), kept="the one before")
            return
        metrics.GATEWAY_CERTIFICATE.labels().set(ends)
        log.info("certificate_read", file=self._cert)

    def _sign(self) -> Signature:
        """What tells a change: where the paths lead, through links too (Kubernetes exchanges a link to a directory)."""
        return tuple(_stamp(path) for path in (self._cert, self._key))


def context_of(cert: str, key: str, now: float) -> tuple[ssl.SSLContext, float]:
    """What a handshake needs, and the Unix time at which the certificate ends. Raises ValueError for files that can't
    be read, don't belong together, or are not valid at Unix time `now`."""
    data = _read("tls_cert", cert)
    _read("tls_key", key)
    ends = _end(data, cert, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A connection stays for hours, and few clients would resume one: tickets would cost bytes in each handshake,
    # memory in each connection, and a key that opens what was recorded.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        # an empty password, or OpenSSL would ask for one at the terminal
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        raise ValueError(f"gateway.tls_key: {key}: {_why(error)} {cert}") from error
    return context, ends


def _end(data: bytes, cert: str, now: float) -> float:
    """When the certificate ends, which is valid now."""
    from cryptography import x509  # takes long to import, and who has no TLS does without

    try:
        certificate = x509.load_pem_x509_certificate(data)
    except ValueError:
        raise ValueError(f"gateway.tls_cert: {cert}: it has no certificate in PEM") from None
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= end.timestamp():
        raise ValueError(f"gateway.tls_cert: {cert}: it expired on {end:%Y-%m-%d %H:%M} UTC")
    if now < begin.timestamp():
        raise ValueError(f"gateway.tls_cert: {cert}: it is not valid before {begin:%Y-%m-%d %H:%M} UTC")
    return end.timestamp()


def _why(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "it is not the key of"
    return "it is no private key in PEM without a passphrase, or not that of"


def _read(knob: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"gateway.{knob}: {path}: {(error.strerror or 'unreadable').lower()}") from error


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
