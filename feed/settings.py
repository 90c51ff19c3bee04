"""Every knob, its default and its bounds. `config/feed.toml` holds the same with a reason for each.

Sources, the later wins: defaults here, the file named by `--config`, environment (`FEED_GATEWAY__PORT`), command line.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Redis(Section):
    url: str = "redis://127.0.0.1:6379/0"
    connect_timeout_s: Seconds = 3.0
    timeout_s: Seconds = 5.0


class History(Section):
    seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    max_ticks: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000


class Publish(Section):
    window_s: Annotated[float, Field(ge=0, le=1)] = 0.002
    max_ticks_per_call: Annotated[int, Field(ge=1, le=1_000)] = 256
    buffer_bytes: Annotated[int, Field(ge=65_536)] = 67_108_864
    buffer_s: Seconds = 60.0
    behind_wait_s: Annotated[float, Field(ge=0, le=10)] = 0.25
    reset_after_s: Seconds = 30.0


class Ingest(Section):
    host: str = "127.0.0.1"
    admin_port: Port = 9401
    worker_id: str = ""
    stale_after_s: Seconds = 30.0
    connect_timeout_s: Seconds = 10.0
    backoff_min_s: Seconds = 0.5
    backoff_max_s: Seconds = 30.0
    max_frame_bytes: Annotated[int, Field(ge=1_024)] = 8_388_608
    bar_grace_s: Annotated[float, Field(ge=0, le=60)] = 0.5


class Sim(Section):
    symbols: Annotated[int, Field(ge=1, le=100_000)] = 20
    ticks_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = 100.0
    seed: int = 1
    burst_every_s: Annotated[float, Field(ge=0, le=3_600)] = 15.0
    burst_factor: Annotated[float, Field(ge=1, le=1_000)] = 10.0


class Binance(Section):
    url: str = "wss://data-stream.binance.vision"
    symbols: tuple[str, ...] = ("BTC/USDT", "ETH/USDT")


class Gateway(Section):
    host: str = "127.0.0.1"
    port: Port = 8080
    admin_port: Port = 9400
    feeds: tuple[str, ...] = ("sim", "binance")
    max_connections: Annotated[int, Field(ge=1)] = 20_000
    max_message_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 65_536
    max_streams: Annotated[int, Field(ge=1)] = 2_000
    commands_per_s: Annotated[float, Field(gt=0)] = 50.0
    auth_timeout_s: Seconds = 10.0
    subscribe_timeout_s: Seconds = 10.0
    ping_s: Seconds = 20.0
    heartbeat_s: Seconds = 1.0
    outbox_bytes: Annotated[int, Field(ge=65_536)] = 4_194_304


class Flush(Section):
    window_min_s: Annotated[float, Field(ge=0, le=1)] = 0.001
    window_max_s: Annotated[float, Field(ge=0, le=1)] = 0.02
    max_frame_bytes: Annotated[int, Field(ge=4_096, le=1_000_000)] = 131_072


class Auth(Section):
    mode: Literal["none"] = "none"
    insecure_public: bool = False


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Values(Section):
    """The settings' own shape; `feed.settings.load` fills it from its sources."""

    redis: Redis = Redis()
    history: History = History()
    publish: Publish = Publish()
    ingest: Ingest = Ingest()
    sim: Sim = Sim()
    binance: Binance = Binance()
    gateway: Gateway = Gateway()
    flush: Flush = Flush()
    auth: Auth = Auth()
    log: Log = Log()
