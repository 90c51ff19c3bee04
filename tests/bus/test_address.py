"""What a Redis URL says of where Redis is."""

import pytest

from feed.bus.address import Kind, address_of
from feed.bus.topology import Node


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0", "rediss://u:p@host", "unix:///tmp/redis.sock"])
def test_an_ordinary_url_is_for_redis_py_to_read(url: str) -> None:
    address = address_of(url)
    assert (address.kind, address.url, address.seeds) == (Kind.SINGLE, url, ())


def test_a_cluster_is_asked_by_any_of_its_nodes() -> None:
    address = address_of("rediss+cluster://feed:p%40ss@one:7001,two,[::1]:7003?ssl_cert_reqs=none")
    assert address.kind is Kind.CLUSTER
    assert address.seeds == (Node("one", 7001), Node("two", 6379), Node("::1", 7003))
    assert address.redis.at(Node("other", 7009)) == "rediss://feed:p%40ss@other:7009/0?ssl_cert_reqs=none"
    assert address.redis.at(Node("::2", 1)) == "rediss://feed:p%40ss@[::2]:1/0?ssl_cert_reqs=none"


def test_sentinels_have_a_user_and_a_password_of_their_own() -> None:
    url = "redis+sentinel://feed:secret@s1,s2:5000/market/3?sentinel_username=watch&sentinel_password=p%2Fw&timeout=1"
    address = address_of(url)
    assert (address.kind, address.service) == (Kind.SENTINEL, "market")
    assert address.seeds == (Node("s1", 26379), Node("s2", 5000))
    assert address.redis.at(Node("m", 6379)) == "redis://feed:secret@m:6379/3?timeout=1"
    assert address.sentinels.at(Node("s1", 26379)) == "redis://watch:p%2Fw@s1:26379/0?timeout=1"


def test_sentinels_without_a_password_are_asked_without() -> None:
    address = address_of("redis+sentinel://:secret@s1/market")
    assert address.sentinels.at(Node("s1", 26379)) == "redis://s1:26379/0"
    assert address.redis.at(Node("m", 1)) == "redis://:secret@m:1/0"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+cluster://", "not understood"),
        ("redis+cluster://user:secret@", "not understood"),
        ("redis+cluster://host:secret", "not understood"),
        ("redis+cloud://host", "not understood"),
        ("redis+cluster://host/secret", "no databases"),
        ("redis+sentinel://host", "by its name"),
        ("redis+sentinel://host/name/0/secret", "by its name"),
    ],
)
def test_what_makes_no_sense_is_told_without_the_url(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        address_of(url)
    assert "secret" not in str(caught.value)
