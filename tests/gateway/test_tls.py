"""Certificates: which are refused, and that a changed one is used by the next handshake."""

import asyncio
import datetime
import os
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import REGISTRY

from feed.access.self_signed import Pair, make_certificate
from feed.gateway import tls as module
from feed.gateway.tls import Tls, context_of
from tests.gateway.gateway_stage import LoopFactory, play, serving, until

DAY = datetime.timedelta(days=1)


def load(pair: Pair, now: float | None = None) -> ssl.SSLContext:
    return context_of(str(pair.cert), str(pair.key), time.time() if now is None else now)[0]


def number(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.cert.read_bytes()).serial_number


def end(pair: Pair) -> float:
    return x509.load_pem_x509_certificate(pair.cert.read_bytes()).not_valid_after_utc.timestamp()


def told_end() -> float | None:
    return REGISTRY.get_sample_value("feed_gateway_certificate_end_timestamp_seconds")


async def shown(port: int, **options: ssl.TLSVersion) -> tuple[int, str]:
    """The serial number of the certificate that a new connection is shown, and the version of TLS that it speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "most" in options:
        context.maximum_version = options["most"]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        told = writer.get_extra_info("ssl_object")
        return x509.load_der_x509_certificate(told.getpeercert(binary_form=True)).serial_number, told.version()
    finally:
        writer.transport.abort()


def knobs(pair: Pair) -> dict[str, str]:
    return {"tls_cert": str(pair.cert), "tls_key": str(pair.key)}


def test_what_is_wrong_with_the_files_is_one_line_that_names_knob_and_file(tmp_path: Path) -> None:
    good, other = make_certificate(tmp_path), make_certificate(tmp_path, name="other")
    old = make_certificate(tmp_path, name="old", lasts=-DAY)
    junk = tmp_path / "junk.pem"
    junk.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    load(good)
    for pair, words in (
        (good._replace(cert=tmp_path / "none.pem"), f"gateway.tls_cert: {tmp_path}/none.pem: no such file"),
        (good._replace(key=tmp_path / "none.pem"), f"gateway.tls_key: {tmp_path}/none.pem: no such file"),
        (good._replace(key=other.key), f"gateway.tls_key: {other.key}: it is not the key of {good.cert}"),
        (good._replace(cert=junk), f"gateway.tls_cert: {junk}: it has no certificate in PEM"),
        (good._replace(key=junk), f"gateway.tls_key: {junk}: it is no private key in PEM without a passphrase"),
        (old, f"gateway.tls_cert: {old.cert}: it expired on "),
    ):
        with pytest.raises(ValueError, match="gateway") as caught:
            load(pair)
        assert str(caught.value).startswith(words)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="not valid before"):
        load(good, time.time() - 2 * 86_400)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    pair = make_certificate(tmp_path)
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ValueError, match="without a passphrase"):
        load(pair)


def test_modern_ciphers_and_no_tickets(tmp_path: Path) -> None:
    context = load(make_certificate(tmp_path))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.num_tickets == 0
    for cipher in context.get_ciphers():
        assert cipher["aead"], cipher
        assert cipher["protocol"] == "TLSv1.3" or cipher["kea"] == "kx-ecdhe", cipher
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_the_throw_away_certificate_names_this_machine_and_its_key_is_nobodys_to_read(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path)
    found = x509.load_pem_x509_certificate(pair.cert.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert pair.key.stat().st_mode & 0o777 == 0o600


def test_changed_files_are_taken_and_broken_ones_told_of_once(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path)
    tls = Tls(str(pair.cert), str(pair.key))
    first = tls.context
    assert told_end() == end(pair)

    async def look() -> ssl.SSLContext:
        await tls.look(time.time())
        return tls.context

    assert asyncio.run(look()) is first
    pair.cert.write_text("broken")
    assert asyncio.run(look()) is first
    make_certificate(tmp_path, lasts=3 * DAY)
    second = asyncio.run(look())
    assert second is not first
    assert told_end() == end(pair)
    ends = told_end()
    pair.key.unlink()
    assert asyncio.run(look()) is second
    make_certificate(tmp_path, lasts=-DAY)
    assert asyncio.run(look()) is second, "a renewal that has expired is none"
    assert told_end() == ends


def test_a_link_that_is_exchanged_is_a_change(tmp_path: Path) -> None:
    """Kubernetes mounts a secret as a link to a link to a directory, and exchanges the middle one."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        make_certificate(tmp_path / version)
    (tmp_path / "data").symlink_to("1")
    tls = Tls(str(tmp_path / "data" / "feed.cert.pem"), str(tmp_path / "data" / "feed.key.pem"))
    before = tls.context
    (tmp_path / "next").symlink_to("2")
    os.replace(tmp_path / "next", tmp_path / "data")
    asyncio.run(tls.look(time.time()))
    assert tls.context is not before


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
class TestServed:
    def test_the_next_handshake_uses_a_renewed_certificate_and_connections_stay(
        self, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loops: LoopFactory
    ) -> None:
        monkeypatch.setattr(module, "LOOK_S", 0.02)
        pair = make_certificate(tmp_path)
        trust = ssl.create_default_context(cafile=str(pair.cert))

        async def scene() -> None:
            async with serving(redis_url, **knobs(pair)) as stage:
                address = f"wss://127.0.0.1:{stage.gateway.port}/v2/sim"
                async with stage.client(address=address, ssl=trust) as client:
                    before = number(pair)
                    assert await shown(stage.gateway.port) == (before, "TLSv1.3")
                    make_certificate(tmp_path)
                    assert number(pair) != before
                    tls = stage.gateway._tls
                    assert tls is not None
                    old = tls.context
                    await until(lambda: tls.context is not old)
                    assert (await shown(stage.gateway.port))[0] == number(pair)
                    await client.subscribe()

        play(scene, loops)

    def test_old_versions_of_tls_and_plain_text_get_nowhere(
        self, redis_url: str, tmp_path: Path, loops: LoopFactory
    ) -> None:
        pair = make_certificate(tmp_path)

        async def scene() -> None:
            async with serving(redis_url, **knobs(pair)) as stage:
                assert (await shown(stage.gateway.port, most=ssl.TLSVersion.TLSv1_2))[1] == "TLSv1.2"
                with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises((ssl.SSLError, OSError)):
                    await shown(stage.gateway.port, most=ssl.TLSVersion.TLSv1_1)
                reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port)
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):  # a TLS alert at most
                    await reader.readexactly(100)
                writer.close()
                await until(lambda: not stage.gateway._door._open)
                assert not stage.gateway._door._greetings

        play(scene, loops)
