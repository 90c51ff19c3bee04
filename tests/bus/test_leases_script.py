"""`leases.lua`, a rule at a time: what it finds in a hash that others may have written to."""

import pytest
import redis

from feed.bus import names
from feed.bus.leases import SCRIPT

WHO = "fk_aaaabbbbccccdddd"


@pytest.mark.parametrize("damage", ["many", "3", "3 x", "-3 99999999999999"])
def test_what_is_no_lease_counts_for_nothing(redis_url: str, damage: str) -> None:
    client = redis.Redis.from_url(redis_url)
    key = names.lease_key(WHO)
    client.hset(key, "vandal", damage)
    assert client.eval(SCRIPT, 1, key, "a", 1, 1, 15_000) == 1
    assert list(client.hgetall(key)) == [b"a"]
    client.close()


def test_a_lease_of_none_is_no_lease(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    key = names.lease_key(WHO)
    for count in (2, 0):
        assert client.eval(SCRIPT, 1, key, "a", count, "", 15_000) == 1
    assert client.exists(key) == 0
    client.close()
