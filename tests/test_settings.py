"""Settings: each source, their order, each kind of fault in one line, and config/feed.toml equal to the defaults."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from feed.cli.config import rows_of
from feed.settings import Gateway, Values
from feed.settings.sources import Given, SettingsError, load, variable
from feed.settings.words import allowed, did_you_mean, differing, knobs, mask, unit

CONFIG = Path(__file__).resolve().parent.parent / "config" / "feed.toml"
UNIT_WORDS = {"s": "seconds"}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("FEED_"):
            monkeypatch.delenv(name)


def value_of(values: Values, key: str) -> object:
    section, _, knob = key.partition(".")
    value = getattr(getattr(values, section), knob)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def faults(config_file: Path | None = None, flags: dict[str, Given] | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        load(config_file, flags)
    assert all("\n" not in line for line in raised.value.lines)
    return raised.value.lines


def toml(folder: Path, text: str) -> Path:
    path = folder / "feed.toml"
    path.write_text(text)
    return path


def test_what_is_told_of_settings_is_what_differs_and_no_secret() -> None:
    assert differing(Values()) == {}
    values = Values.model_validate({
        "redis": {"url": "redis://me:hush@redis/1", "password": "hush"},
        "gateway": {"workers": 4, "feeds": ["sim"], "compression": True},
    })  # fmt: skip
    told = differing(values)
    assert told == {
        "redis.url": "redis://me:***@redis/1", "redis.password": "***",
        "gateway.workers": 4, "gateway.feeds": ["sim"], "gateway.compression": True,
    }  # fmt: skip


# The file that documents the knobs


def test_the_config_file_has_every_knob_and_no_other() -> None:
    tree = tomllib.loads(CONFIG.read_text())
    in_file = [f"{section}.{knob}" for section, knobs_there in tree.items() for knob in knobs_there]
    assert in_file == list(knobs())


@pytest.mark.parametrize("key", list(knobs()))
def test_the_config_file_repeats_the_default(key: str) -> None:
    section, _, knob = key.partition(".")
    assert getattr(Values(), section) == getattr(load(CONFIG).values, section)
    in_file = tomllib.loads(CONFIG.read_text())[section][knob]
    default = value_of(Values(), key)
    assert (type(in_file), in_file) == (
        (list, list(default)) if isinstance(default, tuple) else (type(default), default)
    )


@pytest.mark.parametrize(("key", "field"), list(knobs().items()))
def test_the_config_file_gives_each_knob_its_unit_and_a_reason(key: str, field: object) -> None:
    section, _, knob = key.partition(".")
    text = CONFIG.read_text().split(f"[{section}]\n")[1]
    found = re.search(rf"((?:^#.*\n)+){knob} = ", text, re.MULTILINE)
    assert found, f"no comment above {key}"
    comment = found[1].replace("# ", "").replace("\n", " ")
    assert len(comment.split()) >= 6, f"{key}: too short for a reason"
    name = unit(knobs()[key])
    if name:
        first = re.split(r"\W", UNIT_WORDS.get(name, name))[0]
        assert comment.lower().startswith(first), f"{key}: the comment must begin with its unit, {first}"
    assert field is knobs()[key]


def test_a_knob_whose_name_ends_in_a_unit_has_that_unit() -> None:
    for key, field in knobs().items():
        if key.endswith("_s") and not key.endswith("_per_s"):
            assert unit(field) == "s", key
        if key.endswith("_bytes"):
            assert unit(field).split(" a ")[0] == "bytes", key


# Sources and their order


def test_without_any_source_all_is_default() -> None:
    values, origin = load()
    assert values == Values()
    assert set(origin.values()) == {"default"}
    assert list(origin) == list(knobs())


def test_the_later_source_wins_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toml(tmp_path, "[gateway]\nport = 1\nadmin_port = 2\nmax_streams = 3\n")
    monkeypatch.setenv("FEED_GATEWAY__ADMIN_PORT", "20")
    monkeypatch.setenv("FEED_GATEWAY__MAX_STREAMS", "30")
    values, origin = load(path, {"gateway.max_streams": Given("300", "--max-streams")})
    assert (values.gateway.port, values.gateway.admin_port, values.gateway.max_streams) == (1, 20, 300)
    assert origin["gateway.port"] == str(path)
    assert origin["gateway.admin_port"] == "FEED_GATEWAY__ADMIN_PORT"
    assert origin["gateway.max_streams"] == "--max-streams"
    assert origin["gateway.host"] == "default"


@pytest.mark.parametrize("text", ["a,b", " a , b ,", '["a", "b"]', ' ["a","b"]'])
def test_lists_are_written_with_commas_or_as_json(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(None, {"gateway.feeds": Given(text, "--feeds")}).values.gateway.feeds == ("a", "b")
    monkeypatch.setenv("FEED_GATEWAY__FEEDS", text)
    assert load().values.gateway.feeds == ("a", "b")


@pytest.mark.parametrize("key", list(knobs()))
def test_every_knob_can_come_from_its_variable(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = value_of(Values(), key)
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    monkeypatch.setenv(variable(key), text)
    values, origin = load()
    assert values == Values()
    assert origin[key] == (variable(key) if text else "default")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_GATEWAY__PORT", "")
    assert load().origin["gateway.port"] == "default"


def test_variables_are_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("feed_gateway__port", "81")
    assert load().values.gateway.port == 81
    assert load().origin["gateway.port"] == "feed_gateway__port"


# Faults


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("gateway.port", "eighty", '"eighty" (from VAR): must be a whole number from 0 to 65535'),
        ("gateway.port", "-1", '"-1" (from VAR): must be a whole number from 0 to 65535'),
        ("gateway.port", "80.5", '"80.5" (from VAR): must be a whole number from 0 to 65535'),
        ("sim.ticks_per_s", "nan", '"nan" (from VAR): must be a number above 0 and up to 1000000'),
        ("flush.window_max_s", "2", '"2" (from VAR): must be a number from 0 to 1'),
        ("log.level", "loud", '"loud" (from VAR): must be one of debug, info, warning, error'),
        ("auth.insecure_public", "maybe", '"maybe" (from VAR): must be true or false'),
        (
            "redis.url",
            "localhost",
            '"localhost" (from VAR): must be a redis://, rediss:// or unix:// URL, or redis+sentinel:// or '
            "redis+cluster://",
        ),
        (
            "gateway.feeds",
            "sim,No Feed",
            '["sim", "No Feed"] (from VAR): must be a list (a,b,c) of 1 or more feeds, each 1 to 32 of a-z 0-9 _ -',
        ),
        (
            "gateway.feeds",
            '["sim"',
            '"[\\"sim\\"" (from VAR): must be a list (a,b,c) of 1 or more feeds, each 1 to 32 of a-z 0-9 _ -',
        ),
    ],
)
def test_a_wrong_value_is_one_line(key: str, text: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(key), text)
    assert faults() == (f"{key} = {words}".replace("VAR", variable(key)),)


@pytest.mark.parametrize(
    "text",
    ["http://x", "ws://", "ws://:9001", "ws://[x", "wss://a b", "ws://a:99999", "ws://a:0", "ws://a:x"],
)
def test_a_venue_that_nobody_can_reach_is_one_line(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = variable("binance.url")
    monkeypatch.setenv(name, text)
    must = "must be ws://HOST or wss://HOST, with a :PORT from 1 to 65535 or none"
    assert faults() == (f'binance.url = "{text}" (from {name}): {must}',)


@pytest.mark.parametrize("text", ["ws://a", "wss://a.example/", "ws://127.0.0.1:9001", "ws://[::1]:1", "wss://a:65535"])
def test_a_venue_may_be_anywhere(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("binance.url"), text)
    assert load().values.binance.url == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[gateway]\nport = true\n", "gateway.port = true (from FILE): must be a whole number from 0 to 65535"),
        ("[gateway]\nprot = 1\n", "gateway.prot = 1 (from FILE): no such setting; did you mean gateway.port?"),
        ("[gatway]\nport = 1\n", "gatway.port = 1 (from FILE): no such section [gatway]; did you mean gateway.port?"),
        ("port = 1\n", "port = 1 (from FILE): belongs below a line [gateway]"),
        ("[log]\nlevel = 3\n", "log.level = 3 (from FILE): must be one of debug, info, warning, error"),
        ("[gateway]\nport = \n", "FILE: not TOML: Invalid value (at line 2, column 8)"),
        (
            "[flush]\nwindow_min_s = 0.5\n",
            "[flush] (from FILE): window_min_s (0.5) must not be above window_max_s (0.02)",
        ),
        (
            "[ingest]\nbackoff_max_s = 0.1\nport = 1",
            "ingest.port = 1 (from FILE): no such setting; did you mean ingest.admin_port?",
        ),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = toml(tmp_path, text)
    assert faults(path) == (line.replace("FILE", str(path)),)


def test_every_wrong_value_has_its_line(tmp_path: Path) -> None:
    lines = faults(toml(tmp_path, '[gateway]\nport = -1\nfeeds = []\n[sim]\nsymbols = "x"\n'))
    assert [line.partition(" = ")[0] for line in lines] == ["sim.symbols", "gateway.port", "gateway.feeds"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert faults(tmp_path / "no.toml") == (f"{tmp_path / 'no.toml'}: no such file",)
    assert faults(tmp_path) == (f"{tmp_path}: is not a file",)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert faults(binary)[0].startswith(f"{binary}: cannot be read: ")


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("FEED_GATEWAY_PORT", "8080", "; did you mean FEED_GATEWAY__PORT?"),
        ("FEED_GATEWAY__PROT", "8080", "; did you mean FEED_GATEWAY__PORT?"),
        ("FEED_REDIS_URL", "redis://x", "; did you mean FEED_REDIS__URL?"),
        ("FEED_QWERTZ", "1", ""),
    ],
)
def test_an_unknown_variable_is_refused(name: str, value: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert faults() == (f'{name} = "{value}" (from the environment): no such setting{hint}',)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEED_GATEWAY_PORT", "tcp://10.0.0.7:8080"),
        ("FEED_GATEWAY_SERVICE_HOST", "10.0.0.7"),
        ("FEED_GATEWAY_SERVICE_PORT", "8080"),
        ("FEED_GATEWAY_SERVICE_PORT_HTTP", "8080"),
        ("FEED_GATEWAY_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
        ("FEED_GATEWAY_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ("FEED_CONFIG", "feed.toml"),
        ("FEED_TEST_DATA", "/data"),
    ],
)
def test_what_kubernetes_sets_is_left_alone(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert load().values == Values()


def test_a_wrong_url_keeps_its_password_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_REDIS__URL", "http://user:hunter2@host")
    (line,) = faults()
    assert "hunter2" not in line
    assert "http://user:***@host" in line


# Words


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@h:1/0", "redis://:***@h:1/0"),
        ("redis://u:p@ss@h:1", "redis://u:***@h:1"),
        ("no url: a@b", "no url: a@b"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(st.text(st.characters(exclude_characters="@", categories=["L", "N", "P"]), min_size=4))
@settings(max_examples=50)
def test_mask_hides_any_password(password: str) -> None:
    assert mask(f"redis://user:{password}@host:1/0") == "redis://user:***@host:1/0"


@pytest.mark.parametrize(("key", "field"), list(knobs().items()))
def test_every_knob_has_words_for_what_it_may_be(key: str, field: object) -> None:
    assert field is knobs()[key]
    assert len(allowed(knobs()[key])) > 3


def test_did_you_mean_keeps_silent_about_strangers() -> None:
    assert did_you_mean("zzz", knobs()) == ""


def test_the_models_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValidationError):
        Gateway.model_validate({"prot": 1})


# Secrets


def test_a_secret_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_REDIS__PASSWORD", "hunter2")
    monkeypatch.setenv("FEED_AUTH__JWT_SECRET", "hunter2" * 5)
    settings = load()
    assert settings.values.redis.password.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{settings} {settings.values!r} {rows_of(settings)}"
    assert [row[1] for row in rows_of(settings) if row[0] == "redis.password"] == ['"***"']


def test_a_secret_is_read_from_the_file_that_a_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    monkeypatch.setenv("FEED_REDIS__PASSWORD_FILE", str(path))
    settings = load()
    assert settings.values.redis.password.get_secret_value() == "hunter2"
    assert settings.origin["redis.password"] == "FEED_REDIS__PASSWORD_FILE"


def test_a_secret_that_is_given_twice_or_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_REDIS__PASSWORD_FILE", str(tmp_path / "none"))
    assert "FEED_REDIS__PASSWORD_FILE" in faults()[0]
    monkeypatch.setenv("FEED_REDIS__PASSWORD", "hunter2")
    (line,) = faults()
    assert "give one of them" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FEED_AUTH__JWT_SECRTE", "hunter2"),
        ("FEED_REDIS__PASSWROD", "hunter2"),
        ("FEED_PORT", "redis://:hunter2@h/0"),
    ],
)
def test_what_sounds_like_a_secret_is_not_repeated(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, text)
    assert "hunter2" not in "".join(faults())


JWT = "[auth]\nmode = 'jwt'\njwt_issuer = 'i'\njwt_audience = 'a'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[auth]\nmode = 'jwt'\n", "jwt_issuer and jwt_audience must be given"),
        (JWT, "jwt_public_key or jwt_jwks must be given for RS256, ES256"),
        (JWT + "jwt_algorithms = ['HS256']\njwt_secret = 'short'\n", "at least 32 bytes"),
        (JWT + "jwt_algorithms = ['none']\n", "a list (a,b,c) of algorithms of HS256, RS256 and ES256"),
        (JWT + "jwt_jwks = 'http://issuer.example/keys'\n", "an https:// URL"),
        ("[gateway]\ntls_cert = 'c.pem'\n", "tls_cert and tls_key belong together"),
        ("[gateway]\ntrusted_proxies = ['10.0.0']\n", "addresses or networks"),
        ("[gateway]\norigins = ['desk.example.com']\n", "origins such as"),
        ("[auth]\ncookie = 'session'\n", "auth.cookie wants gateway.origins"),
        ("[auth]\ncookie = 'session'\n[gateway]\norigins = ['*']\n", "auth.cookie wants gateway.origins"),
    ],
)
def test_what_would_be_unsafe_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (line,) = faults(toml(tmp_path, text))
    assert said in line
    assert "short" not in line


@pytest.mark.parametrize("url", ["https://issuer.example/keys", "http://127.0.0.1:8000/keys", "/etc/jwks.json"])
def test_signers_may_come_from_here_or_over_tls(url: str, tmp_path: Path) -> None:
    assert load(toml(tmp_path, JWT + f"jwt_jwks = '{url}'\n")).values.auth.jwt_jwks == url
