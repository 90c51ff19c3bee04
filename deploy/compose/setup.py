"""What the services of compose.yaml share: a certificate for the proxy, a password for Redis, one for Grafana.

Makes what is missing below the folder that it is given, and a new certificate for one that ends soon; what is there and
good stays, so that it may run at each start.
"""

import datetime
import hashlib
import os
import secrets
import sys
from pathlib import Path
from typing import Final

from cryptography import x509

from feed.access.self_signed import make_certificate

LASTS: Final = datetime.timedelta(days=365)
RENEWED_BEFORE: Final = datetime.timedelta(days=30)
# Who reads these files runs as other users, each with this process' group.
MODE: Final = 0o440
PUBLIC: Final = 0o444
# Nobody but feed has a say. Whoever reaches Redis without a password may ask whether it is alive, as its health check
# does. feed gets neither what could empty Redis or stop it, nor other people's secrets; INFO is how it knows which
# process of Redis it talks to.
USERS: Final = """\
user default on nopass resetkeys resetchannels -@all +ping
user feed on #{sha256} ~* &* +@all -@admin -@dangerous +info
"""


def main(root: Path) -> None:
    certificate(root / "tls")
    password = word(root / "redis" / "password")
    write(root / "redis" / "users.acl", USERS.format(sha256=hashlib.sha256(password.encode()).hexdigest()))
    word(root / "grafana" / "password")


def certificate(folder: Path) -> None:
    """`feed.pem` is what the proxy reads, certificate and key; `feed.cert.pem` what its clients may trust."""
    bundle = folder / "feed.pem"
    if bundle.exists() and ends(bundle) - datetime.datetime.now(datetime.UTC) > RENEWED_BEFORE:
        return
    pair = make_certificate(folder, lasts=LASTS)
    write(bundle, pair.cert.read_text() + pair.key.read_text())
    pair.cert.chmod(PUBLIC)


def ends(bundle: Path) -> datetime.datetime:
    return x509.load_pem_x509_certificate(bundle.read_bytes()).not_valid_after_utc


def word(path: Path) -> str:
    """The password that the file has, a new one if there is none."""
    if not path.exists():
        write(path, secrets.token_urlsafe(24))
    return path.read_text()


def write(path: Path, text: str) -> None:
    """In one step, and never readable by everyone."""
    fresh = path.with_name(f".{path.name}")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "w") as file:
        file.write(text)
    fresh.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
