"""Certificates that nobody signed but themselves: for a demo, a benchmark, a test."""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from feed.settings.types import LOOPBACK

# Clocks of two machines differ by less.
BACKDATED: Final = datetime.timedelta(hours=1)


class Pair(NamedTuple):
    """Where a certificate and its key are, both PEM."""

    cert: Path
    key: Path


def make_certificate(
    folder: Path, hosts: Sequence[str] = LOOPBACK, *, name: str = "feed", lasts: datetime.timedelta | None = None
) -> Pair:
    """Writes `NAME.cert.pem` and `NAME.key.pem` (mode 0600) for these names and addresses; good for a week unless
    `lasts` says otherwise, which may be over already."""
    # they take a fifth of a second to import, and nobody else here needs them
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    end = datetime.datetime.now(datetime.UTC) + (datetime.timedelta(days=7) if lasts is None else lasts)
    begin = min(datetime.datetime.now(datetime.UTC), end) - BACKDATED
    names = [
        x509.IPAddress(ipaddress.ip_address(host)) if _is_address(host) else x509.DNSName(host) for host in hosts
    ]  # fmt: skip
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        # it is trusted by name, and may sign for nobody else
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair = Pair(folder / f"{name}.cert.pem", folder / f"{name}.key.pem")
    _write(pair.key, private)
    _write(pair.cert, certificate.public_bytes(serialization.Encoding.PEM))
    return pair


def _write(path: Path, data: bytes) -> None:
    """In one step: who reads at the same time reads the old or the new."""
    fresh = path.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    fresh.replace(path)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
