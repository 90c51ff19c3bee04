"""Who answers for which key, and what redirections and replies say of it."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bus import names
from feed.bus.topology import SLOTS, Node, Redirection, Topology, View, passing, redirection, slot_of, unsettled
from feed.core.streams import Stream

A, B, C = Node("10.0.0.1", 7001), Node("10.0.0.2", 7002), Node("10.0.0.3", 7003)
REPLY = [
    [0, 5460, [b"10.0.0.1", 7001, b"aa", []], [b"10.0.0.9", 7009, b"r1", []]],
    [5461, 10922, [b"10.0.0.2", 7002, b"bb"]],
    [10923, 16383, [b"10.0.0.3", 7003, b"cc", [b"hostname", b"c"]]],
]


def test_the_masters_of_a_cluster_are_the_first_of_each_part() -> None:
    topology = Topology.of_reply(REPLY, A)
    assert topology.nodes == (A, B, C)
    assert topology.whole


def test_a_node_that_does_not_know_its_own_host_is_the_one_that_was_asked() -> None:
    assert Topology.of_reply([[0, 16383, [b"", 7001, b"aa"]]], A).nodes == (A,)
    assert Topology.of_reply([[0, 16383, [None, 7001, b"aa"]]], A).nodes == (A,)


@pytest.mark.parametrize(
    "reply",
    [
        [[0, 5460]], [["x", 1, [b"h", 1]]], [[0, 16384, [b"h", 1]]],
        [[7, 3, [b"h", 1]]], [None], [[0, 1, [b"h", None]]],
    ],
)  # fmt: skip
def test_a_reply_that_makes_no_sense(reply: Any) -> None:
    with pytest.raises(ValueError, match="CLUSTER SLOTS"):
        Topology.of_reply(reply, A)


def test_a_cluster_that_lacks_slots_is_not_whole() -> None:
    topology = Topology.of_reply(REPLY[:2], A)
    assert not topology.whole
    assert topology.node_of("{6}") == Topology.of_reply(REPLY, A).node_of("{6}") or slot_of("{6}") > 10922


@given(st.text("ABCXYZ/.-", min_size=1, max_size=12), st.sampled_from(["trades", "quotes", "bars"]))
def test_all_that_belongs_to_a_stream_is_at_one_node(symbol: str, kind: str) -> None:
    stream = Stream("binance", kind, symbol)
    assert slot_of(names.log_key(stream)) == slot_of(names.meta_key(stream)) == slot_of(names.channel(stream))


def test_slots_are_those_of_the_specification() -> None:
    assert slot_of("123456789") == 0x31C3 % SLOTS  # the check value of CRC16/XMODEM, from the specification's appendix


@pytest.mark.parametrize("topology", [Topology.of_reply(REPLY, A), Topology.single(B)])
def test_each_node_has_a_tag(topology: Topology) -> None:
    for node in topology.nodes:
        assert topology.node_of(f"feed:heartbeat:{{{topology.tag_of(node)}}}") == node
    with pytest.raises(KeyError):
        topology.tag_of(Node("10.0.0.9", 7009))


def test_a_redirection_moves_one_slot() -> None:
    topology = Topology.of_reply(REPLY, A)
    moved = topology.moved(Redirection(5460, Node("10.0.0.4", 7004), lasting=True))
    assert set(moved.nodes) == {A, B, C, Node("10.0.0.4", 7004)}
    assert moved != topology
    back = moved.moved(Redirection(5460, A, lasting=True))
    assert (back, back.nodes) == (topology, topology.nodes)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("MOVED 3999 127.0.0.1:6381", Redirection(3999, Node("127.0.0.1", 6381), lasting=True)),
        ("ASK 3999 ::1:6381", Redirection(3999, Node("::1", 6381), lasting=False)),
        ("MOVED 3999 node.example:6381", Redirection(3999, Node("node.example", 6381), lasting=True)),
        ("MOVED 16384 127.0.0.1:6381", None),
        ("MOVED x 127.0.0.1:6381", None),
        ("ERR MOVED 3999 127.0.0.1:6381", None),
        ("TRYAGAIN Multiple keys request during rehashing of slot", None),
    ],
)
def test_what_an_error_says_of_where_to_go(words: str, found: Redirection | None) -> None:
    assert redirection(words, A) == found


@pytest.mark.parametrize("word", ["MOVED", "ASK"])
def test_where_no_host_is_named_that_of_the_one_who_was_asked_is_meant(word: str) -> None:
    """As a node does that was told `cluster-preferred-endpoint-type unknown-endpoint`."""
    assert redirection(f"{word} 3999 :6381", A) == Redirection(3999, Node(A.host, 6381), lasting=word == "MOVED")


def test_a_node_that_is_to_be_called_by_a_name_and_has_none_is_found_by_its_address() -> None:
    """As `cluster-preferred-endpoint-type hostname` without `cluster-announce-hostname` says it."""
    nameless = [b"?", 7002, b"bb", [b"ip", b"10.0.0.2"]]
    assert Topology.of_reply([[0, 16383, nameless]], A).nodes == (B,)
    with pytest.raises(ValueError, match="CLUSTER SLOTS"):
        Topology.of_reply([[0, 16383, [b"?", 7002, b"bb", []]]], A)
    for words in ("MOVED 3999 ?:6381", "ASK 3999 ?:6381"):
        assert redirection(words, A) is None
        assert passing(words), "who looks finds it"


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("TRYAGAIN Multiple keys request during rehashing of slot", True),
        ("CLUSTERDOWN Hash slot not served", True),
        ("READONLY You can't write against a read only replica.", True),
        ("LOADING Redis is loading the dataset in memory", True),
        ("OOM command not allowed when used memory > 'maxmemory'.", False),
        ("NOPERM this user has no permissions", False),
    ],
)
def test_which_errors_are_of_a_moment(words: str, moment: bool) -> None:
    assert passing(words) is moment
    assert unsettled(words) is moment
    assert unsettled("MOVED 3999 127.0.0.1:6381")
    assert unsettled("ASK 3999 :6381")


def told(state: bytes = b"ok", epoch: bytes = b"7") -> bytes:
    return b"cluster_state:%s\r\ncluster_slots_ok:16384\r\ncluster_current_epoch:%s\r\n" % (state, epoch)


def test_the_view_of_a_node_that_takes_part_and_sees_all_slots_served_is_sound() -> None:
    view = View.of_replies(told(), REPLY, A)
    assert (view.topology, view.serving, view.epoch, view.sound) == (Topology.of_reply(REPLY, A), True, 7, True)
    assert not View.of_replies(told(b"fail"), REPLY, A).sound
    assert not View.of_replies(told(), REPLY[:2], A).sound


def test_of_views_that_are_not_sound_the_one_that_knows_most_is_best() -> None:
    ranked = [
        View.of_replies(told(b"fail", b"9"), [], A), View.of_replies(told(b"fail", b"3"), REPLY, A),
        View.of_replies(told(b"fail", b"4"), REPLY, A), View.of_replies(told(b"ok", b"1"), REPLY[:2], A),
    ]  # fmt: skip
    assert all(one.rank < next_.rank for one, next_ in itertools.pairwise(ranked))


@pytest.mark.parametrize("info", [b"", b"cluster_state:ok", b"cluster_state:ok\r\ncluster_current_epoch:x"])
def test_cluster_info_that_makes_no_sense(info: bytes) -> None:
    with pytest.raises(ValueError, match="CLUSTER INFO"):
        View.of_replies(info, REPLY, A)
