"""Control messages, field by field."""

from feed.core.streams import START, Position
from feed.wire import messages
from feed.wire.errors import Code, ProtocolError

ALPACAS = ("updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")


def test_depth_one_gets_an_error_as_alpaca_words_it() -> None:
    fault = ProtocolError(Code.INVALID_SYNTAX, "trades: bad symbol", 7)
    assert messages.error(fault, 1) == {"T": "error", "code": 400, "msg": "invalid syntax"}


def test_depth_two_learns_which_command_failed_and_why() -> None:
    fault = ProtocolError(Code.INVALID_SYNTAX, "trades: bad symbol", 0)
    assert messages.error(fault, 2) == {
        "T": "error", "code": 400, "msg": "invalid syntax", "id": 0, "detail": "trades: bad symbol",
    }  # fmt: skip
    assert messages.error(ProtocolError(Code.AUTH_FAILED), 2) == {"T": "error", "code": 402, "msg": "auth failed"}


def test_the_answer_to_a_subscription_is_the_whole_set_sorted() -> None:
    fields = messages.subscription({"trades": frozenset({"B", "A", "*"})}, 1)
    assert fields.pop("T") == "subscription"
    assert {name: fields.pop(name) for name in ALPACAS} == {name: [] for name in ALPACAS}
    assert fields == {"trades": ["*", "A", "B"], "quotes": [], "bars": []}


def test_second_bars_are_named_at_depth_two_only() -> None:
    chosen = {"bars1s": frozenset({"A"})}
    assert messages.subscription(chosen, 2)["bars1s"] == ["A"]
    assert "bars1s" not in messages.subscription(chosen, 1)


def test_a_gap_says_from_where_to_where_and_how_it_goes_on() -> None:
    fields = messages.gap("trades:A", "e1", 121, 130, Position("e2", 131), "bus")
    assert fields == {
        "T": "gap", "stream": "trades:A", "epoch": "e1", "from": 121, "to": 130, "next": {"epoch": "e2", "seq": 131},
        "cause": "bus",
    }  # fmt: skip
    assert next(iter(fields)) == "T"


def test_a_gap_in_the_log_has_a_number_and_may_have_ids() -> None:
    fields = messages.gap("trades:A", "e1", 5, 5, Position("e1", 6), "venue", seq=5, ids=(70, 72))
    assert (fields["q"], fields["ids"]) == (5, [70, 72])
    assert messages.gap("trades:A", "e1", 5, None, Position("e2", 6), "bus")["to"] is None


def test_positions_and_epochs() -> None:
    assert messages.stream_state(START, 0.0) == {"epoch": None, "seq": 0, "rate": 0}
    state = messages.stream_state(Position("e1", 7), 2.5, True)
    assert state == {"epoch": "e1", "seq": 7, "rate": 2.5, "recovered": True}
    assert messages.epoch("trades:A", Position("e2", 131)) == {
        "T": "epoch", "stream": "trades:A", "epoch": "e2", "seq": 131,
    }  # fmt: skip


def test_a_heartbeat_without_the_bus_names_no_numbers() -> None:
    assert messages.heartbeat("now", {"trades:A": 3}) == {"T": "heartbeat", "t": "now", "seq": {"trades:A": 3}}
    assert messages.heartbeat("now", {})["seq"] == {}
    assert "seq" not in messages.heartbeat("now", None)


def test_pongs_and_notices() -> None:
    assert messages.pong(None, "now") == {"T": "pong", "t": "now"}
    assert messages.pong(0, "now") == {"T": "pong", "id": 0, "t": "now"}
    assert messages.notice("drain", "bye") == {"T": "notice", "code": "drain", "msg": "bye"}
    assert messages.notice("slow", "hurry", 12)["lag_ms"] == 12
