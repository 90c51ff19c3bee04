from typing import Any

import pytest

from feed.client.events import Complaint
from feed.client.standing import Standing, meaning


@pytest.mark.parametrize(
    ("message", "objection"),
    [
        ({"T": "error", "code": 402, "msg": "auth failed"}, Complaint(402, "auth failed")),
        ({"T": "error", "code": 409, "msg": "no", "detail": "feed sim"}, Complaint(409, "no", "feed sim")),
        ({"T": "error", "code": 409, "msg": "no", "id": 7}, None),
        ({"T": "error", "code": 400, "msg": "no"}, None),
        ({"T": "error"}, None),
        ({"T": "notice", "code": "slow", "msg": ""}, None),
    ],
)
def test_an_objection_is_about_the_connection(message: dict[str, Any], objection: Complaint | None) -> None:
    standing = Standing()
    standing.hear([message])
    standing.hear([])
    assert standing.objection == objection
    assert not standing.expiring


def test_what_came_before_anything_else_explains_no_close() -> None:
    standing = Standing()
    standing.hear([{"T": "error", "code": 409, "msg": "some streams were dropped"}])
    standing.hear([{"T": "heartbeat", "t": 0}])
    assert standing.objection is None


def test_a_token_that_ends_soon_stays_so() -> None:
    standing = Standing()
    standing.hear([{"T": "notice", "code": "expiring", "msg": "soon"}])
    standing.hear([{"T": "notice", "code": "slow", "msg": "slow"}])
    assert standing.expiring


@pytest.mark.parametrize(
    ("code", "error", "what", "words"),
    [
        (4501, 402, "key", "it does not accept this key"),
        (4501, 404, "token", "nothing was presented in time"),
        (4501, 404, "", "it wants a key or a token"),
        (4501, None, "token", "it does not accept this token"),
        (4503, 409, "key", "this key does not include this feed"),
        (4503, None, "key", "this key is no longer good: withdrawn, replaced or past its end"),
        (4503, None, "", ""),
        (4506, 406, "key", "all connections that this key may have are in use"),
        (4005, None, "token", "this token has ended, and there is no source of a fresh one"),
        (1009, None, "key", ""),
    ],
)
def test_what_a_close_means(code: int, error: int | None, what: str, words: str) -> None:
    assert meaning(code, None if error is None else Complaint(error, "no"), what) == words
