"""Replay end to end: over the network, with an independent client and with the real connector."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from feed.core.ticks import Quote, Trade
from feed.ingest.replay import RecordingError, Replay, player, server
from feed.ingest.replay.personas.binance import Binance
from feed.ingest.replay.personas.kraken import Kraken
from tests.data import recording
from tests.ingest.replaying import connect, made, playing, slices, stalled, take
from tests.ingest.venue_server import (
    DEADLINE_S,
    Heard,
    connecting,
    knobs,
    until,
)


@pytest.mark.parametrize("speed", [0, 400])
def test_the_connector_gets_every_tick_once_and_in_order(tmp_path: Path, speed: float) -> None:
    paths, heard = slices(tmp_path, 4_000), Heard()
    wanted: dict[tuple[str, type], list[int]] = {}
    for path, symbol in zip(paths, ("BTC/USDT", "ETH/USDT"), strict=True):
        payloads = [json.loads(line.split(b" ", 1)[1]).get("data", {}) for line in path.read_bytes().splitlines()]
        wanted[symbol, Trade] = [payload["t"] for payload in payloads if payload.get("e") == "trade"]
        wanted[symbol, Quote] = [payload["u"] for payload in payloads if "B" in payload]

    async def main() -> None:
        async with playing(paths, speed) as replay:
            url = f"ws://127.0.0.1:{replay.port}"
            async with connecting(url, heard, knobs(), ("BTC/USDT", "ETH/USDT")):
                await until(lambda: len(heard.ids) == sum(map(len, wanted.values())))
                await until(lambda: replay.progress().finished)
                progress = replay.progress()
                assert progress.frames_sent == progress.total_frames == 7_998  # two of 8,000 lines are REST snapshots
                assert progress.clients == 1

    asyncio.run(main())
    assert min(map(len, wanted.values())) > 300
    ticks = [tick for call in heard.calls if call is not None for tick in call]
    for (symbol, kind), ids in wanted.items():
        assert [tick.id for tick in ticks if tick.symbol == symbol and type(tick) is kind] == ids


def test_the_connector_gets_what_it_asked_for_by_command(tmp_path: Path) -> None:
    symbols = tuple(f"C{number}/USDT" for number in range(600))
    texts = []
    for number in range(200):
        # one each 10 ms, of the last symbol that the first connection asks for, in its fifth command
        payload = {"u": number, "s": "C511USDT", "b": "1", "B": "1", "a": "1", "A": "1"}
        stamp = 1_700_000_000 + number / 100
        texts.append(f"{stamp:.2f}: {json.dumps({'stream': 'c511usdt@bookTicker', 'data': payload})}\n")
    path = tmp_path / "many"
    path.write_text("".join(texts))
    heard = Heard()

    async def main() -> None:
        async with (
            playing([path], speed=1) as replay,
            connecting(f"ws://127.0.0.1:{replay.port}", heard, knobs(), symbols),
        ):
            await until(lambda: 199 in heard.ids)
            assert replay.progress().clients == 2  # neither was cut off for talking too much

    asyncio.run(main())
    first = heard.ids[0]
    assert first > 0
    assert heard.ids == list(range(first, 200))


def test_binance_for_several_clients(tmp_path: Path) -> None:
    async def main() -> None:
        async with playing(slices(tmp_path, 400)) as replay:
            base = f"ws://127.0.0.1:{replay.port}"
            assert replay.progress().total_frames == 798
            async with connect(f"{base}/ws") as late, connect(f"{base}/stream?streams=btcusdt@trade") as one:
                wrapped = await take(one, 20)
                assert {frame["stream"] for frame in wrapped} == {"btcusdt@trade"}
                ids = [frame["data"]["t"] for frame in wrapped]
                assert ids == list(range(ids[0], ids[0] + 20))
                await until(lambda: replay.progress().finished)
                # the clock is at its end, and the connection lives on
                await late.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
                assert await take(late, 1) == [{"result": None, "id": 1}]
                async with asyncio.timeout(DEADLINE_S):
                    await (await late.ping())
                assert replay.progress().clients == 2

    asyncio.run(main())


def test_binance_bare_payloads(tmp_path: Path) -> None:
    async def main() -> None:
        path = "/ws/ethusdt@bookTicker/ethusdt@trade"
        async with (
            playing(slices(tmp_path, 400)) as replay,
            connect(f"ws://127.0.0.1:{replay.port}{path}") as client,
        ):
            frames = await take(client, 50)
        assert {(frame["s"], frame.get("e")) for frame in frames} == {("ETHUSDT", None), ("ETHUSDT", "trade")}

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/", "/v2/x", "/stream/a"])
def test_handshakes_that_binance_refuses(tmp_path: Path, path: str) -> None:
    async def main() -> None:
        async with playing([made(tmp_path, 1)]) as replay:
            with pytest.raises(InvalidStatus) as refusal:
                async with connect(f"ws://127.0.0.1:{replay.port}{path}"):
                    pass
            assert refusal.value.response.status_code == 404

    asyncio.run(main())


def test_too_many_commands_end_the_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with playing([made(tmp_path, 1)]) as replay, connect(f"ws://127.0.0.1:{replay.port}/ws") as client:
            for number in range(6):
                await client.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            assert len(await take(client, 5)) == 5
            with pytest.raises(ConnectionClosed) as closed:
                await take(client, 1)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008

    asyncio.run(main())


def test_coinbase_from_its_recording() -> None:
    async def main() -> None:
        files = [recording("coinbase_exchange/COINBASE.ws.28.0.gz")]
        async with playing(files) as replay, connect(f"ws://127.0.0.1:{replay.port}", max_size=None) as client:
            command = {"type": "subscribe", "product_ids": ["SKL-USD", "YFI-BTC"], "channels": ["matches"]}
            await client.send(json.dumps(command))
            (answer,) = await take(client, 1)
            assert answer["channels"] == [{"name": "matches", "product_ids": ["SKL-USD", "YFI-BTC"]}]
            frames = await take(client, 20)
            assert {frame["type"] for frame in frames} == {"match", "last_match"}
            assert {frame["product_id"] for frame in frames} <= {"SKL-USD", "YFI-BTC"}
            ids = [frame["trade_id"] for frame in frames if frame["product_id"] == "SKL-USD"]
            assert ids == list(range(ids[0], ids[0] + len(ids)))

    asyncio.run(main())


def test_kraken_from_its_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BEAT_S", 0.01)
    monkeypatch.setattr(Kraken, "rhythm", Kraken.rhythm._replace(heartbeat_s=0.05))

    async def main() -> None:
        files = [recording(f"kraken_v1/KRAKEN.ws.{number}.0.gz") for number in (48, 49, 50)]
        async with playing(files) as replay, connect(f"ws://127.0.0.1:{replay.port}", max_size=None) as client:
            (status,) = await take(client, 1)
            assert (status["event"], status["status"]) == ("systemStatus", "online")
            pairs = ["XMR/USD", "ADA/XBT"]
            await client.send(json.dumps({"event": "subscribe", "pair": pairs, "subscription": {"name": "ticker"}}))
            answers = await take(client, 2)
            assert [(each["pair"], each["status"]) for each in answers] == [(pair, "subscribed") for pair in pairs]
            frames: list[object] = []
            while {"event": "heartbeat"} not in frames:
                frames += await take(client, 1)
            data = [frame for frame in frames if isinstance(frame, list)]
            assert {tuple(frame[2:]) for frame in data} <= {("ticker", "XMR/USD"), ("ticker", "ADA/XBT")}
            assert data[0][0] == 996

    asyncio.run(main())


def test_a_client_that_answers_no_ping_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BEAT_S", 0.01)
    monkeypatch.setattr(Binance, "rhythm", Binance.rhythm._replace(ping_s=0.05, pong_within_s=0.15))

    async def main() -> None:
        async with (
            playing([made(tmp_path, 1)]) as replay,
            connect(f"ws://127.0.0.1:{replay.port}/ws", ping_interval=None) as good,
        ):
            with await stalled(replay.port):
                await until(lambda: replay.progress().clients == 2)
                await until(lambda: replay.progress().clients == 1)
                await good.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                assert len(await take(good, 1)) == 1

    asyncio.run(main())


def test_stop_says_goodbye_to_all_and_waits_for_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with playing([made(tmp_path, 3_000, padding=10_000)], patience_s=3_600) as replay:
            good = await connect(f"ws://127.0.0.1:{replay.port}/ws")
            mute = await stalled(replay.port)
            await until(lambda: replay.progress().clients == 2)
            (full,) = (client for client in replay._player.clients if client.dialogue.topics)
            await until(lambda: full.backlog_bytes > player.BACKLOG_BYTES)
        with pytest.raises(ConnectionClosed) as closed:
            await take(good, 1)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert full.backlog_bytes == 0  # cut off, with what waited for it
        mute.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ts_utc,symbol,ex,price\n", ":1: not a recording of frames, but a CSV table"),
        (b'1700000000.1: {"stream":"a@trade","data":{}}\n' * 3 + b"oops\n", ":4: is not `<seconds>: <JSON>`"),
    ],
)
def test_start_refuses_what_it_can_not_play(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(RecordingError) as error:
        asyncio.run(Replay([made(tmp_path, 2), path], host="127.0.0.1", port=0, speed=1).start())
    assert str(error.value).startswith(f"{path}{message}")


def test_a_file_that_changes_under_way_ends_the_run(tmp_path: Path) -> None:
    path = made(tmp_path, 5)

    async def main() -> None:
        replay = Replay([path], host="127.0.0.1", port=0, speed=0)
        await replay.start()
        path.write_bytes(path.read_bytes() + b"oops\n")
        running = asyncio.create_task(replay.run(asyncio.Event()))
        async with connect(f"ws://127.0.0.1:{replay.port}/ws/ab@trade"):
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(RecordingError, match=r"made:6: is not"):
                    await running

    asyncio.run(main())


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        asyncio.run(Replay([made(tmp_path, 1)], host="127.0.0.1", port=taken.getsockname()[1], speed=1).start())


@pytest.mark.parametrize(
    ("files", "more", "message"),
    [
        ([], {}, "no files to play"),
        (["x"], {"speed": -1}, "speed -1 is not a factor"),
        (["x"], {"speed": float("nan")}, "speed nan is not a factor"),
        (["x"], {"venue": "nyse"}, "venue 'nyse' is not one of binance, coinbase, kraken"),
    ],
)
def test_arguments_that_make_no_sense(files: list[str], more: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Replay([Path(name) for name in files], **{"host": "127.0.0.1", "port": 0, "speed": 1, **more})
