"""What compose.yaml's services share is made at the first start, once, and is read by whom it is for."""

import datetime
import re
import stat
from pathlib import Path
from typing import Any

from feed.access.self_signed import make_certificate
from tests.deploy import recipe
from tests.deploy.composed import DEPLOY, SERVICES, environment, mounts
from tests.deploy.shared import made

VALKEY = (DEPLOY / "compose" / "valkey.conf").read_text()


def references(value: Any) -> set[str]:
    return set(re.findall(r"/run/feed/\w+/[\w.]+", str(value)))


def test_setup_makes_what_is_read_and_its_readers_may(run: Path) -> None:
    readers: dict[str, Any] = {
        name: [environment(service), service.get("command"), VALKEY if name == "redis" else ""]
        for name, service in SERVICES.items()
        if name != "setup"
    }
    assert {path for what in readers.values() for path in references(what)} == {
        "/run/feed/redis/password", "/run/feed/redis/users.acl", "/run/feed/tls/feed.pem", "/run/feed/grafana/password",
    }  # fmt: skip
    _, group = SERVICES["setup"]["user"].split(":")
    for name, what in readers.items():
        for path in references(what):
            assert str(Path(path).parent) in mounts(SERVICES[name]), (name, path)
            assert stat.S_IMODE((run / Path(path).relative_to("/run/feed")).stat().st_mode) == 0o440
            assert group in (SERVICES[name].get("group_add") or recipe.last("USER").split(":")[1:]), name


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in made(tmp_path).rglob("*") if path.is_file()}
    assert len(before) >= 4
    again = {path: path.read_bytes() for path in made(tmp_path).rglob("*") if path.is_file()}
    assert again == before


def test_the_certificate_is_everyones_and_its_key_is_not(run: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (run / "tls").iterdir()}
    assert modes == {"feed.pem": 0o440, "feed.cert.pem": 0o444, "feed.key.pem": 0o600}


def test_a_certificate_that_ends_soon_is_made_anew(tmp_path: Path) -> None:
    tls = made(tmp_path) / "tls"
    pair = make_certificate(tls, lasts=datetime.timedelta(days=29))
    (tls / "feed.pem").chmod(0o600)
    (tls / "feed.pem").write_text(pair.cert.read_text() + pair.key.read_text())
    before = (tls / "feed.pem").read_text()
    made(tmp_path)
    assert (tls / "feed.pem").read_text() not in (before, "")
    assert (tls / "feed.pem").read_text().startswith((tls / "feed.cert.pem").read_text())
