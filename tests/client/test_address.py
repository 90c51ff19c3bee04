import pytest

from feed.client.address import parse_address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:8080/v2/sim", "ws://127.0.0.1:8080/v2/sim"),
        ("http://127.0.0.1:8080/v2/sim", "ws://127.0.0.1:8080/v2/sim"),
        ("https://feed.example/v2/binance/", "wss://feed.example/v2/binance"),
        ("wss://feed.example:8443/v2/binance", "wss://feed.example:8443/v2/binance"),
        ("127.0.0.1:8080/v2/sim", "ws://127.0.0.1:8080/v2/sim"),
        ("localhost/v2/us-equities_1", "ws://localhost/v2/us-equities_1"),
        ("[::1]:8080/v2/sim", "ws://[::1]:8080/v2/sim"),
    ],
)
def test_reads_what_people_write(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no host"),
        ("sim", "the path is not /v2/FEED"),
        ("ws://host:8080", "the path is not /v2/FEED"),
        ("ws://host:8080/v2/", "the path is not /v2/FEED"),
        ("ws://host:8080/v2/SIM", "the path is not /v2/FEED"),
        ("ws://host:8080/v2/sim/symbols", "the path is not /v2/FEED"),
        ("ws://host:8080/v1/sim", "the path is not /v2/FEED"),
        ("ftp://host/v2/sim", "the scheme 'ftp'"),
        ("ws:///v2/sim", "names no host"),
        ("ws://host:99999/v2/sim", "Port out of range"),
        ("ws://host:http/v2/sim", "Port could not be cast"),
        ("ws://me:secret@host/v2/sim", "parts that an address of a feed lacks"),
        ("ws://host/v2/sim?x=1", "parts that an address of a feed lacks"),
        ("ws://[::1/v2/sim", "Invalid IPv6 URL"),
    ],
)
def test_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"ws://127\.0\.0\.1:8080/v2/sim$") as caught:
        parse_address(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ws://me:fs_secret@host/v2/sim",
        "me:fs_secret@host/v2/sim",
        "ws://me:fs_secret@host:http/v2/sim",
        "ftp://me:fs_secret@host/v2/sim",
        "ws://me:fs/secret@host/v1/fs_secret@/v2/sim",
        "ws://host/v1/sim?token=fs_secret",
        "ws://host/v2/sim#fs_secret",
        "ws://:fs_secret@/v2/sim",
    ],
)
def test_repeats_no_password(text: str) -> None:
    with pytest.raises(ValueError, match="an address looks like") as caught:
        parse_address(text)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
