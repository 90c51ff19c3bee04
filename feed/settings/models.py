"""Every knob, its default, its unit and its bounds. `config/feed.toml` holds the same with a reason for each."""

from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from feed.settings.types import (
    Algorithm,
    Bytes,
    Claim,
    CookieName,
    FeedName,
    File,
    FileOrUrl,
    Host,
    HostName,
    Network,
    Origin,
    Port,
    RedisUrl,
    Seconds,
    Symbol,
    Unit,
    WebSocketUrl,
    WorkerId,
)

# A shorter secret of HS256 can be guessed offline from one token (RFC 7518 section 3.2).
SECRET_BYTES: Final = 32


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Python counts True as 1, and `port = true` would be port 1.
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("true and false are not values of this knob")
        return value


S = TypeVar("S", bound=Section)


def _ordered(section: S, low: str, high: str) -> S:
    if getattr(section, low) > getattr(section, high):
        raise ValueError(f"{low} ({getattr(section, low):g}) must not be above {high} ({getattr(section, high):g})")
    return section


class Redis(Section):
    url: RedisUrl = "redis://127.0.0.1:6379/0"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: File = ""
    connect_timeout_s: Seconds = 3.0
    timeout_s: Seconds = 5.0


class History(Section):
    seconds: Annotated[int, Field(ge=1, le=86_400), Unit("s")] = 60
    max_ticks: Annotated[int, Field(ge=1, le=10_000_000), Unit("ticks a stream")] = 10_000


class Publish(Section):
    window_s: Annotated[float, Field(ge=0, le=1), Unit("s")] = 0.002
    max_ticks_per_call: Annotated[int, Field(ge=1, le=1_000), Unit("ticks")] = 256
    buffer_bytes: Bytes = 67_108_864
    buffer_s: Seconds = 60.0
    behind_wait_s: Annotated[float, Field(ge=0, le=10), Unit("s")] = 0.25
    reset_after_s: Seconds = 30.0


class Ingest(Section):
    host: Host = "127.0.0.1"
    admin_port: Port = 9401
    worker_id: WorkerId = ""
    shards: Annotated[int, Field(ge=1, le=1_024), Unit("shares of the symbols")] = 1
    ordinal: Annotated[int, Field(ge=0, le=65_535)] = 0
    stale_after_s: Seconds = 30.0
    connect_timeout_s: Seconds = 10.0
    backoff_min_s: Seconds = 0.5
    backoff_max_s: Seconds = 30.0
    max_frame_bytes: Annotated[int, Field(ge=1_024, le=1 << 30), Unit("bytes")] = 8_388_608
    bar_grace_s: Annotated[float, Field(ge=0, le=60), Unit("s")] = 0.5

    @model_validator(mode="after")
    def _backoff_grows(self) -> Self:
        return _ordered(self, "backoff_min_s", "backoff_max_s")


class Sim(Section):
    symbols: Annotated[int, Field(ge=1, le=100_000), Unit("symbols")] = 20
    ticks_per_s: Annotated[float, Field(gt=0, le=1_000_000), Unit("ticks/s")] = 100.0
    seed: int = 1
    burst_every_s: Annotated[float, Field(ge=0, le=3_600), Unit("s")] = 15.0
    burst_factor: Annotated[float, Field(ge=1, le=1_000), Unit("times")] = 10.0


class Binance(Section):
    url: WebSocketUrl = "wss://data-stream.binance.vision"
    symbols: Annotated[tuple[Symbol, ...], Field(min_length=1)] = ("BTC/USDT", "ETH/USDT")


class Gateway(Section):
    host: Host = "127.0.0.1"
    port: Port = 8080
    admin_host: Host = "127.0.0.1"
    admin_port: Port = 9400
    workers: Annotated[int, Field(ge=1, le=256), Unit("processes")] = 1
    feeds: Annotated[tuple[FeedName, ...], Field(min_length=1)] = ("sim", "binance")
    tls_cert: File = ""
    tls_key: File = ""
    hosts: tuple[HostName, ...] = ()
    origins: tuple[Origin, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    max_connections: Annotated[int, Field(ge=1, le=1_000_000), Unit("connections")] = 20_000
    max_connections_per_address: Annotated[int, Field(ge=1, le=1_000_000), Unit("connections")] = 2_000
    handshakes_per_s: Annotated[float, Field(gt=0, le=1_000_000), Unit("handshakes/s an address")] = 200.0
    handshake_timeout_s: Seconds = 10.0
    max_header_bytes: Annotated[int, Field(ge=4_096, le=1_048_576), Unit("bytes")] = 16_384
    idle_s: Seconds = 3_600.0
    max_message_bytes: Annotated[int, Field(ge=1_024, le=16_777_216), Unit("bytes")] = 65_536
    max_streams: Annotated[int, Field(ge=1, le=1_000_000), Unit("streams a client")] = 2_000
    commands_per_s: Annotated[float, Field(gt=0, le=100_000), Unit("commands/s a client")] = 50.0
    auth_timeout_s: Seconds = 10.0
    subscribe_timeout_s: Seconds = 10.0
    ping_s: Seconds = 20.0
    heartbeat_s: Seconds = 1.0
    outbox_bytes: Annotated[int, Field(ge=524_288, le=1 << 30), Unit("bytes a client")] = 4_194_304
    slow_notice_s: Seconds = 2.0
    slow_close_s: Seconds = 10.0
    tail_ticks: Annotated[int, Field(ge=0, le=100_000_000), Unit("ticks a feed")] = 100_000
    compression: bool = False

    @model_validator(mode="after")
    def _notice_comes_first(self) -> Self:
        return _ordered(self, "slow_notice_s", "slow_close_s")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together: one of them is missing")
        return self


class Drain(Section):
    delay_s: Annotated[float, Field(ge=0, le=3_600), Unit("s")] = 2.0
    window_s: Annotated[float, Field(ge=0, le=3_600), Unit("s")] = 10.0


class Flush(Section):
    window_min_s: Annotated[float, Field(ge=0, le=1), Unit("s")] = 0.001
    window_max_s: Annotated[float, Field(ge=0, le=1), Unit("s")] = 0.02
    max_frame_bytes: Annotated[int, Field(ge=4_096, le=1_000_000), Unit("bytes")] = 131_072

    @model_validator(mode="after")
    def _window_grows(self) -> Self:
        return _ordered(self, "window_min_s", "window_max_s")


class Auth(Section):
    mode: Literal["none", "keys", "jwt", "keys+jwt"] = "none"
    insecure_public: bool = False
    key_file: File = ""
    jwt_algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")
    jwt_secret: SecretStr = SecretStr("")
    jwt_public_key: File = ""
    jwt_jwks: FileOrUrl = ""
    jwks_refresh_s: Seconds = 300.0
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_claim: Claim = "feed"
    jwt_leeway_s: Annotated[float, Field(ge=0, le=600), Unit("s")] = 30.0
    expiring_s: Seconds = 60.0
    cookie: CookieName = ""

    @model_validator(mode="after")
    def _tokens_can_be_judged(self) -> Self:
        if "jwt" not in self.mode:
            return self
        if not self.jwt_issuer or not self.jwt_audience:
            raise ValueError(
                "jwt_issuer and jwt_audience must be given: tokens that were made for others would be let in"
            )  # fmt: skip
        secret = len(self.jwt_secret.get_secret_value().encode())
        if "HS256" in self.jwt_algorithms and secret < SECRET_BYTES:
            raise ValueError(f"jwt_secret must have at least {SECRET_BYTES} bytes for HS256, and has {secret}")
        asymmetric = [name for name in self.jwt_algorithms if name != "HS256"]
        if asymmetric and not (self.jwt_public_key or self.jwt_jwks):
            raise ValueError(f"jwt_public_key or jwt_jwks must be given for {', '.join(asymmetric)}")
        return self


class Metrics(Section):
    enabled: bool = True
    symbols: Annotated[tuple[Symbol, ...], Field(max_length=20)] = ()


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    lines_per_10s: Annotated[int, Field(ge=1, le=1_000_000), Unit("lines")] = 20


class Values(Section):
    """The settings' own shape: sections of knobs."""

    redis: Redis = Redis()
    history: History = History()
    publish: Publish = Publish()
    ingest: Ingest = Ingest()
    sim: Sim = Sim()
    binance: Binance = Binance()
    gateway: Gateway = Gateway()
    drain: Drain = Drain()
    flush: Flush = Flush()
    auth: Auth = Auth()
    metrics: Metrics = Metrics()
    log: Log = Log()

    @model_validator(mode="after")
    def _cookie_wants_origins(self) -> Self:
        if self.auth.cookie and (not self.gateway.origins or "*" in self.gateway.origins):
            raise ValueError(
                "auth.cookie wants gateway.origins to name the pages that may use it: a browser sends it from any page"
            )
        return self
