"""A certificate for a day, of nobody, which nobody checks."""

import shutil
import subprocess
from pathlib import Path

from feed.bench.outcome import Skipped


def make_certificate(directory: Path) -> Path:
    """A file with a new certificate of 127.0.0.1 and its key. Raises Skipped where no openssl makes one."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Skipped("there is no openssl on the PATH to make a certificate with")
    path = directory / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=127.0.0.1", "-keyout", str(path), "-out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise Skipped(f"openssl made no certificate: {done.stderr.strip().splitlines()[-1]}")
    # the key and the certificate, one after the other, in whichever order openssl wrote them
    return path
