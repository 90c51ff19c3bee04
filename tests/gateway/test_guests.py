"""Who is let in, counted, told, and sent away."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from feed.access.principal import ANYONE, Anyone, Credentials, Principal, Refused, Why
from feed.core.grant import grant
from feed.gateway.guests import LOOKED_AT_ONCE, Guests
from feed.wire.closing import Close
from tests.gateway.gateway_stage import Doorkeeper

NOW = 1_800_000_000.0
KEY = Principal("fk_k", proof="aa")


def token(subject: str = "jwt:ann", lasts_s: float = 3_600.0) -> Principal:
    return Principal(subject, expires=NOW + lasts_s)


class Guest:
    def __init__(self) -> None:
        self.codes: list[Close] = []
        self.notices: list[tuple[str, str]] = []

    def end(self, code: Close) -> None:
        self.codes.append(code)

    def notice(self, code: str, text: str) -> None:
        self.notices.append((code, text))


class Leases:
    """Has places for `free` connections more."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.taken: list[str] = []

    async def take(self, principal_id: str, limit: int) -> bool:  # noqa: ARG002 - the others' count decides
        if len(self.taken) >= self.free:
            return False
        self.taken.append(principal_id)
        return True

    def give(self, principal_id: str) -> None:
        self.taken.remove(principal_id)


def guests_of(auth: str) -> float:
    return REGISTRY.get_sample_value("feed_gateway_guests", {"auth": auth}) or 0.0


def test_all_connections_of_who_may_not_stay_are_ended_and_no_others() -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        guests, ones, other, rotated = Guests(doorkeeper), [Guest(), Guest()], Guest(), Guest()
        for one in ones:
            await guests.admit(one, KEY)
        await guests.admit(other, token())
        await guests.admit(rotated, KEY._replace(id="fk_other"))
        await guests.look(NOW)
        assert not any(each.codes for each in (*ones, other, rotated))
        doorkeeper.gone["fk_k"] = Why.REVOKED
        await guests.look(NOW)
        assert [each.codes for each in (*ones, other, rotated)] == [[Close.NOT_ALLOWED], [Close.NOT_ALLOWED], [], []]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("principal", "why", "code"),
    [
        (KEY, Why.REVOKED, Close.NOT_ALLOWED),
        (KEY, Why.EXPIRED, Close.NOT_ALLOWED),
        (KEY, Why.NO_KEY, Close.NOT_ALLOWED),
        (token(), Why.EXPIRED, Close.TOKEN_EXPIRED),
        (token(), Why.NOT_ACCEPTED, Close.NOT_ALLOWED),
    ],
)
def test_a_token_that_ended_asks_to_come_again(principal: Principal, why: Why, code: Close) -> None:
    async def scene() -> None:
        doorkeeper, guest = Doorkeeper(), Guest()
        guests = Guests(doorkeeper)
        doorkeeper.gone[principal.id] = why
        await guests.admit(guest, principal)
        await guests.look(NOW)
        assert guest.codes == [code]

    asyncio.run(scene())


def test_each_connection_is_told_once_that_its_token_is_about_to_end() -> None:
    async def scene() -> None:
        guests, one, late, key = Guests(Doorkeeper(), expiring_s=60.0), Guest(), Guest(), Guest()
        await guests.admit(one, token(lasts_s=100.0))
        await guests.admit(key, KEY)
        await guests.look(NOW + 39.0)
        assert one.notices == []
        await guests.look(NOW + 40.0)
        await guests.admit(late, token(lasts_s=100.0))
        await guests.look(NOW + 41.0)
        said = ("expiring", "this token ends in 60 s: send auth with a new one")
        assert (one.notices, key.notices) == ([said], [])
        assert late.notices == [("expiring", "this token ends in 59 s: send auth with a new one")]
        await guests.admit(one, token(lasts_s=200.0))
        await guests.look(NOW + 100.0)
        assert (one.codes, one.notices, late.codes) == ([], [said], [Close.TOKEN_EXPIRED])
        await guests.look(NOW + 140.0)
        assert len(one.notices) == 2

    asyncio.run(scene())


def test_many_principals_are_asked_about_while_some_leave() -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        guests, many = Guests(doorkeeper), [Guest() for _ in range(2 * LOOKED_AT_ONCE)]
        for number, guest in enumerate(many):
            await guests.admit(guest, token(f"jwt:{number}", lasts_s=1.0))
        looking = asyncio.create_task(guests.look(NOW + 1.0))
        await asyncio.sleep(0)
        for guest in many[::2]:
            guests.leave(guest)
        await looking
        assert all(guest.codes == [Close.TOKEN_EXPIRED] for guest in many[1::2])

    asyncio.run(scene())


@pytest.mark.parametrize("alone", [False, True])
def test_connections_are_counted_until_they_leave(alone: bool) -> None:
    async def scene() -> None:
        leases = Leases(2)
        guests, ones = Guests(Doorkeeper(), None if alone else leases), [Guest() for _ in range(3)]
        limited = KEY._replace(grant=grant(max_connections=2))
        assert [await guests.admit(one, limited) for one in ones] == [True, True, False]
        assert await guests.admit(Guest(), token())
        assert leases.taken == ([] if alone else ["fk_k", "fk_k"])
        guests.leave(ones[2])  # was never in
        assert not await guests.admit(ones[2], limited)
        guests.leave(ones[0])
        assert await guests.admit(ones[2], limited)
        guests.leave(ones[1])
        guests.leave(ones[2])
        guests.leave(ones[2])
        assert leases.taken == []

    asyncio.run(scene())


def test_a_renewed_token_keeps_its_place_and_takes_one_where_it_had_none() -> None:
    async def scene() -> None:
        leases = Leases(1)
        guests, one, other = Guests(Doorkeeper(), leases), Guest(), Guest()
        limited = token()._replace(grant=grant(max_connections=1))
        assert await guests.admit(one, limited)
        assert await guests.admit(one, limited._replace(expires=NOW + 9_000))
        assert leases.taken == ["jwt:ann"]
        assert await guests.admit(other, token("jwt:ann"))
        assert not await guests.admit(other, limited)
        guests.leave(other)
        guests.leave(one)
        assert leases.taken == []

    asyncio.run(scene())


def test_connections_are_counted_by_what_they_proved() -> None:
    async def scene() -> None:
        guests = Guests(Anyone())
        before = [guests_of(auth) for auth in ("none", "key", "token")]
        each = {ANYONE: Guest(), KEY: Guest(), token(): Guest()}
        for principal, guest in each.items():
            await guests.admit(guest, principal)
        assert [guests_of(auth) for auth in ("none", "key", "token")] == [count + 1 for count in before]
        await guests.admit(each[KEY], KEY)
        for guest in each.values():
            guests.leave(guest)
        assert [guests_of(auth) for auth in ("none", "key", "token")] == before

    asyncio.run(scene())


def test_a_refusal_is_logged_with_who_and_where_and_no_secret() -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.known[Credentials(key="fk_a", secret="hush")] = Why.BAD_SECRET
        guests = Guests(doorkeeper)
        with capture_logs() as lines:
            for connection in ("k3f9a-0-1c", ""):
                with pytest.raises(Refused):
                    await guests.authenticate(Credentials(key="fk_a", secret="hush"), "192.0.2.7", connection)
        told = {"event": "auth_refused", "log_level": "warning", "reason": "bad_secret", "key": "fk_a"}
        assert lines == [told | {"address": "192.0.2.7", "connection": "k3f9a-0-1c"}, told | {"address": "192.0.2.7"}]

    attempts = {"result": "refused", "reason": "bad_secret"}
    before = REGISTRY.get_sample_value("feed_auth_attempts_total", attempts) or 0.0
    asyncio.run(scene())
    assert REGISTRY.get_sample_value("feed_auth_attempts_total", attempts) == before + 2
