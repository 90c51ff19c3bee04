"""Errors and close codes: clients act on the numbers and on the wording."""

import pytest

from feed.wire.closing import Close
from feed.wire.errors import TEXT, Code, ProtocolError

# PROTOCOL.md, which has Alpaca's wording where Alpaca has the code
WORDING = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    429: "too many commands",
    500: "internal error",
}
RECONNECT = {
    1001: True, 1009: False, 1011: True, 1012: True, 1013: True, 4005: True, 4008: True, 4029: True,
    4501: False, 4503: False, 4506: False,
}  # fmt: skip


def test_every_code_has_the_wording_of_the_protocol() -> None:
    assert {int(code): text for code, text in TEXT.items()} == WORDING
    assert {int(code) for code in Code} == WORDING.keys()


def test_a_fault_says_code_wording_and_detail() -> None:
    assert str(ProtocolError(Code.AUTH_FAILED)) == "402 auth failed"
    fault = ProtocolError(Code.SYMBOL_LIMIT, "at most 5", 7)
    assert (str(fault), fault.code, fault.detail, fault.command_id) == (
        "405 symbol limit exceeded: at most 5", Code.SYMBOL_LIMIT, "at most 5", 7,
    )  # fmt: skip


def test_close_codes_are_those_of_the_protocol() -> None:
    assert {int(code) for code in Close} == RECONNECT.keys()


@pytest.mark.parametrize("code", [code for code in Close if code >= 4000])
def test_the_range_of_a_private_close_code_says_whether_to_reconnect(code: Close) -> None:
    assert (4000 <= code <= 4499) == RECONNECT[code]
    assert code <= 4999
