"""Credentials on their way: in the handshake, renewed in place, refused, and kept from where they don't belong."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from feed.access.self_signed import make_certificate
from feed.client import client as client_module
from feed.client import connection as module
from feed.client.client import Client
from feed.client.errors import CommandError, Refused
from feed.client.events import Connected, Gap, Lost, Notice, Update
from tests.client.bouncer import Bouncer, Issuer
from tests.client.reading import DEADLINE_S, all_until, one, reading, until, updates

PAIR = {"key": "fk_a", "secret": "fs_b"}


@pytest.mark.parametrize(
    ("given", "shown"), [(PAIR, "fk_a fs_b"), ({"token": "t"}, "Bearer t"), ({"token": lambda: "t"}, "Bearer t")]
)
def test_the_handshake_carries_them(given: dict[str, str], shown: str) -> None:
    async def main() -> None:
        async with Bouncer(shown).serve() as gateway, Client(gateway.url, **given) as client:  # type: ignore[arg-type]
            await client.subscribe(trades=["AAPL"])
            assert gateway.presented == [shown]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((402, 4501), "closed with 4501: it does not accept this key"),
        ((409, 4503), "closed with 4503: this key does not include this feed"),
        ((406, 4506), "closed with 4506: all connections that this key may have are in use"),
    ],
)
def test_a_refusal_says_why_and_is_final(refusal: tuple[int, int], words: str) -> None:
    async def main() -> None:
        gateway = Bouncer()
        gateway.refusal = refusal
        async with gateway.serve(), Client(gateway.url, **PAIR) as client:
            for _ in range(2):
                with pytest.raises(Refused, match=words) as caught:
                    await asyncio.wait_for(client.subscribe(trades=["AAPL"]), DEADLINE_S)
                assert (caught.value.error, caught.value.code) == refusal
            assert len(gateway.presented) == 1

    asyncio.run(main())


def test_without_any_the_command_is_what_fails() -> None:
    async def main() -> None:
        async with Bouncer("x").serve() as gateway, Client(gateway.url) as client:
            with pytest.raises(CommandError, match="401 not authenticated"):
                await client.subscribe(trades=["AAPL"])
            await gateway.end(4501, {"T": "error", "code": 404, "msg": "auth timeout"})
            with pytest.raises(Refused, match="it wants a key or a token") as caught:
                await one(client, Lost)
            assert (caught.value.error, caught.value.code) == (404, 4501)

    asyncio.run(main())


def test_a_key_that_is_withdrawn_ends_the_client() -> None:
    async def main() -> None:
        async with Bouncer("fk_a fs_b").serve() as gateway, Client(gateway.url, **PAIR) as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.end(4503)
            with pytest.raises(Refused, match="this key is no longer good"):
                await one(client, Lost)

    asyncio.run(main())


def test_a_token_that_ends_soon_is_renewed_in_place_while_ticks_go_on() -> None:
    async def main() -> None:
        issuer = Issuer()
        async with Bouncer("Bearer t1", "Bearer t2").serve() as gateway, Client(gateway.url, token=issuer) as client:
            await client.subscribe(trades=["AAPL"])
            issuer.lets_go.clear()
            await gateway.expire()
            async with reading(client) as events:
                await until(lambda: issuer.asked == 2)
                await gateway.trade()  # while the issuer takes its time
                await until(lambda: any(isinstance(event, Update) for event in events))
                issuer.lets_go.set()
                await until(lambda: gateway.presented == ["Bearer t1", "Bearer t2"])
                await gateway.trade()
                await until(lambda: sum(isinstance(event, Update) for event in events) == 2)
            assert [event.seq for event in events if isinstance(event, Update)] == [1, 2]
            assert not [event for event in events if isinstance(event, Lost | Gap)]
            assert len([event for event in events if isinstance(event, Notice)]) == 1

    asyncio.run(main())


def test_a_token_that_ended_is_replaced_at_once_on_the_next_connection() -> None:
    async def main() -> None:
        issuer = Issuer()
        async with Bouncer("Bearer t1", "Bearer t2").serve() as gateway, Client(gateway.url, token=issuer) as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.trade()
            assert [event.seq for event in await updates(client, 1)] == [1]
            await gateway.end(4005)
            lost = await one(client, Lost)
            assert (lost.code, lost.delay_s <= client_module.DRAINED_S) == (4005, True)
            await one(client, Connected)
            await all_until(client, lambda _: gateway.presented == ["Bearer t1", "Bearer t2"])

    asyncio.run(main())


def test_a_token_that_ended_and_has_no_successor_ends_the_client() -> None:
    async def main() -> None:
        async with Bouncer("Bearer t").serve() as gateway, Client(gateway.url, token="t") as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.end(4005)
            with pytest.raises(Refused, match="this token has ended") as caught:
                await one(client, Lost)
            assert caught.value.code == 4005
            assert gateway.presented == ["Bearer t"]

    asyncio.run(main())


def test_a_token_that_is_refused_in_its_renewal_ends_the_client() -> None:
    async def main() -> None:
        async with Bouncer("Bearer t1").serve() as gateway, Client(gateway.url, token=Issuer()) as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.expire()
            with pytest.raises(Refused, match="it does not accept this token"):
                await one(client, Lost)

    asyncio.run(main())


def test_what_the_source_of_tokens_raises_reaches_who_reads_and_he_may_read_on() -> None:
    async def main() -> None:
        issuer = Issuer()
        issuer.fault = OSError("the issuer is away")
        async with Bouncer("Bearer t2", "Bearer t4").serve() as gateway, Client(gateway.url, token=issuer) as client:
            with pytest.raises(OSError, match="the issuer is away"):
                await client.subscribe(trades=["AAPL"])
            await client.subscribe(trades=["AAPL"])
            issuer.fault = OSError("away again")
            await gateway.expire()
            with pytest.raises(OSError, match="away again"):
                await asyncio.wait_for(ticking(gateway, client), DEADLINE_S)
            await gateway.trade()
            await one(client, Update)
            assert len(gateway.presented) == 1

    asyncio.run(main())


async def ticking(gateway: Bouncer, client: Client) -> None:
    while True:
        await gateway.trade()
        await anext(client)


def test_a_source_that_gives_nothing_is_a_lost_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.05)

    async def main() -> None:
        issuer = Issuer()
        issuer.lets_go.clear()
        async with Bouncer().serve() as gateway, Client(gateway.url, token=issuer) as client:
            with pytest.raises(Refused, match="the source of tokens gave none in"):
                await client.subscribe(trades=["AAPL"])
            assert gateway.presented == []

    asyncio.run(main())


def test_closing_gives_up_a_renewal_that_is_under_way() -> None:
    async def main() -> None:
        issuer = Issuer()
        async with Bouncer("Bearer t1").serve() as gateway:
            async with Client(gateway.url, token=issuer) as client:
                await client.subscribe(trades=["AAPL"])
                issuer.lets_go.clear()
                await gateway.expire()
                async with reading(client):
                    await until(lambda: issuer.asked == 2)
            assert not [task for task in asyncio.all_tasks() if task.get_name() == "feed.client renewal"]

    asyncio.run(main())


def test_they_are_not_taken_where_a_gateway_sends_them_on() -> None:
    async def main() -> None:
        async with Bouncer("fk_a fs_b").serve() as other, Bouncer().serve(redirect=other.url) as gateway:
            async with Client(gateway.url, **PAIR) as client:
                with pytest.raises(Refused, match="sends clients elsewhere"):
                    await client.subscribe(trades=["AAPL"])
            assert other.presented == []

    asyncio.run(main())


def test_they_are_not_sent_in_plain_text_to_another_machine() -> None:
    with pytest.raises(ValueError, match="in plain text"):
        Client(["wss://feed.example/v2/sim", "ws://feed.example/v2/sim"], **PAIR)
    Client("ws://feed.example/v2/sim", insecure=True, **PAIR)


def test_nothing_that_is_raised_or_shown_has_them() -> None:
    async def main() -> list[BaseException | object]:
        gateway = Bouncer()
        async with gateway.serve(redirect="/v2/sim?"), Client(gateway.url, **PAIR) as client:
            with pytest.raises(Refused) as caught:
                await client.subscribe(trades=["AAPL"])
            return [client, *chain_of(caught.value)]

    said = " ".join(f"{thing!r} {thing}" for thing in asyncio.run(main()))
    assert "fs_b" not in said


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def answering(folder: Path, name: str = "127.0.0.1") -> Iterator[tuple[ssl.SSLContext, str]]:
    """A server's TLS, and the file of who signed its certificate."""
    certificate, key = make_certificate(folder, [name])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    yield tls, str(certificate)


def test_a_gateway_is_believed_by_its_certificate(tmp_path: Path) -> None:
    async def main() -> None:
        with answering(tmp_path) as (tls, ca_file):
            async with Bouncer("fk_a fs_b").serve(tls) as gateway:
                async with Client(gateway.url, ca_file=ca_file, **PAIR) as client:
                    await client.subscribe(trades=["AAPL"])
                async with Client(gateway.url, **PAIR) as client:
                    with pytest.raises(
                        Refused, match=r"the certificate of 127\.0\.0\.1:\d+ is not to be trusted: self"
                    ):
                        await client.subscribe(trades=["AAPL"])
                assert gateway.presented == ["fk_a fs_b"]

    asyncio.run(main())


def test_a_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    async def main() -> None:
        with answering(tmp_path, "feed.example") as (tls, ca_file):
            async with (
                Bouncer("fk_a fs_b").serve(tls) as gateway,
                Client(gateway.url, ca_file=ca_file, **PAIR) as client,
            ):
                with pytest.raises(Refused, match=r"is not to be trusted: .*mismatch"):
                    await client.subscribe(trades=["AAPL"])
                assert gateway.presented == []

    asyncio.run(main())


def test_a_file_that_has_no_certificates_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    with pytest.raises(ValueError, match=r"ca_file '.*empty.pem': holds no certificate"):
        Client("wss://feed.example/v2/sim", ca_file=str(tmp_path / "empty.pem"))
    with pytest.raises(ValueError, match=r"ca_file '.*none.pem': No such file"):
        Client("wss://feed.example/v2/sim", ca_file=str(tmp_path / "none.pem"))
