"""What real servers say of themselves, each field read or left out, and shown as metrics."""

from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from feed.bus.server_info import FIELDS, SECTIONS, ServerInfo, parse
from feed.bus.subscriber_meters import LEVELS, TALLIES, SubscriberMeters
from tests.counted import shown

TEXTS = Path(__file__).parent / "info"
VALKEY = ServerInfo(3, 1_418_664, 268_435_456, 1, 0.136639 + 0.047977, 3_516, 2_504, 1)
REDIS = ServerInfo(3, 1_407_856, 268_435_456, 1, 0.124395 + 0.050659, 3_510, 2_127, None)


@pytest.mark.parametrize(("name", "expected"), [("valkey-9.1", VALKEY), ("redis-7.0", REDIS)])
def test_real_answers(name: str, expected: ServerInfo) -> None:
    text = (TEXTS / f"{name}.txt").read_bytes()
    assert parse(text) == expected
    assert parse(text.replace(b"\n", b"\r\n")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", ServerInfo()),
        (b"# Server\r\n\r\n", ServerInfo()),
        (b"used_memory:0\r\nmaxmemory:0\r\n", ServerInfo(memory_bytes=0, memory_limit_bytes=0)),
        (b"used_memory_human:1.02M\r\nused_memory:\r\n", ServerInfo()),
        (b"used_memory:much\nconnected_clients:-1\nevicted_keys:nan\n", ServerInfo()),
        (b"used_cpu_sys:1.5\n", ServerInfo()),  # half of a sum is no sum
        (b"used_cpu_sys:1.5\nused_cpu_user:0.25\nused_cpu_sys_children:9\n", ServerInfo(cpu_s=1.75)),
        (b"uptime_in_seconds:7:8\n", ServerInfo()),
        (b"evicted_keys:3\nevicted_keys:4\n", ServerInfo(evicted=4)),
        (b"\xff\xfe:1\nevicted_keys:3", ServerInfo(evicted=3)),
    ],
)
def test_what_is_not_said_is_left_out(text: bytes, expected: ServerInfo) -> None:
    assert parse(text) == expected


@given(st.binary())
def test_any_answer_is_read(text: bytes) -> None:
    assert isinstance(parse(text), ServerInfo)


def test_a_running_server_says_all_of_it(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set_response_callback("INFO", lambda reply, **_: reply)
        answer: Any = client.execute_command("INFO", *SECTIONS)
        info, version = parse(answer), client.execute_command("INFO", "server").decode()
    missing = {name for name, value in info._asdict().items() if value is None}
    assert missing == (set() if "valkey_version" in version else {"clients_cut"})
    assert info.clients is not None
    assert info.clients >= 1
    assert info.memory_bytes is not None
    assert info.memory_bytes > 500_000


def test_each_field_has_its_metric() -> None:
    assert LEVELS.keys() | TALLIES.keys() == set(ServerInfo._fields) == FIELDS.keys()
    assert not LEVELS.keys() & TALLIES.keys()


def test_what_is_said_is_shown_as_it_is_and_what_is_not_stays() -> None:
    meters = SubscriberMeters()
    meters.server(VALKEY)
    meters.server(REDIS._replace(uptime_s=1, cpu_s=0.5, commands=9))  # it restarted: its counters begin anew
    assert shown("feed_redis_uptime_seconds", server="") == 1
    assert shown("feed_redis_memory_bytes", server="") == 1_407_856
    assert shown("feed_redis_memory_limit_bytes", server="") == 268_435_456
    assert shown("feed_redis_clients", server="") == 1
    assert shown("feed_redis_cpu_seconds_total", server="") == 0.5
    assert shown("feed_redis_commands_total", server="") == 9
    assert shown("feed_redis_evicted_keys_total", server="") == 2_127
    assert shown("feed_redis_clients_cut_total", server="") == 1


def test_each_master_of_a_cluster_is_told_apart_until_it_is_one_no_more() -> None:
    meters = SubscriberMeters()
    meters.server(VALKEY, "10.0.0.1:6379")
    meters.server(REDIS, "10.0.0.2:6379")
    meters.server_gone("10.0.0.1:6379")
    meters.server_gone("10.0.0.3:6379")
    assert shown("feed_redis_uptime_seconds", server="10.0.0.1:6379") is None
    assert shown("feed_redis_commands_total", server="10.0.0.1:6379") is None
    assert shown("feed_redis_memory_bytes", server="10.0.0.2:6379") == 1_407_856
    meters.server_gone("10.0.0.2:6379")
