"""Where settings come from, the later wins: defaults, a TOML file, the environment (FEED_SECTION__KEY), flags."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from feed.settings.models import Values
from feed.settings.words import SECTIONS, allowed, did_you_mean, knobs, mask, secret

PREFIX: Final = "FEED_"
# A variable of this ending names a file that has the value: how secrets are mounted into containers.
FILE_SUFFIX: Final = "_FILE"
DEFAULT: Final = "default"
HIDDEN: Final = '"***"'
SOUNDS_SECRET: Final = re.compile("secret|pass|token|key|auth", re.IGNORECASE)
# The command line reads FEED_CONFIG, `feed watch` its key's FEED_SECRET, the tests FEED_TEST_DATA.
NOT_KNOBS: Final = frozenset({"FEED_CONFIG", "FEED_SECRET", "FEED_TEST_DATA"})
# Kubernetes sets these in every pod beside a Service whose name begins with "feed-": FEED_GATEWAY_PORT=tcp://10.0.0.7:8080
SERVICE_LINK: Final = re.compile(
    r"FEED_[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


class SettingsError(ValueError):
    """Settings that cannot be used; `lines` has one line for each fault, with its key, value, source and remedy."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Given(NamedTuple):
    """A value somebody gave for a knob, and who: a file, a variable, a flag."""

    value: object
    origin: str


class Settings(NamedTuple):
    """The effective values, and for each knob's key where its value came from."""

    values: Values
    origin: Mapping[str, str]


def load(config_file: Path | None = None, flags: Mapping[str, Given] | None = None) -> Settings:
    """Settings from all their sources; `flags` has the command line's values by key. Raises SettingsError."""
    given = _from_file(config_file) if config_file else {}
    given |= _from_environment()
    given |= {key: _split_list(key, flag) for key, flag in (flags or {}).items()}
    _refuse_unknown(given)
    tree: dict[str, dict[str, object]] = {}
    for key, (value, _) in given.items():
        section, _, knob = key.partition(".")
        tree.setdefault(section, {})[knob] = value
    try:
        values = Values.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(dict.fromkeys(_line(fault, given) for fault in error.errors())) from error
    return Settings(values, {key: given[key].origin if key in given else DEFAULT for key in knobs()})


def variable(key: str) -> str:
    """The environment variable of a knob: `gateway.port` is FEED_GATEWAY__PORT."""
    return PREFIX + key.replace(".", "__").upper()


class _Names(Values, BaseSettings):
    """Tells pydantic-settings which names there are and how variables spell them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True)


class _Environment(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        del field_name, field
        return _list(str(value))


def _from_file(path: Path) -> dict[str, Given]:
    try:
        tree = TomlConfigSettingsSource(_Names, path).toml_data if path.is_file() else None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read: {error}"]) from error
    if tree is None:
        raise SettingsError([f"{path}: {'is not a file' if path.exists() else 'no such file'}"])
    given: dict[str, Given] = {}
    for section, knobs_given in tree.items():
        if not isinstance(knobs_given, dict):
            homes = [f"[{key.partition('.')[0]}]" for key in knobs() if key.endswith(f".{section}")] or ["[section]"]
            what = f"belongs below a line {' or '.join(homes)}"
            raise SettingsError([f"{section} = {_show(knobs_given)} (from {path}): {what}"])
        given |= {f"{section}.{knob}": Given(value, str(path)) for knob, value in knobs_given.items()}
    return given


def _from_environment() -> dict[str, Given]:
    known = {variable(key): key for key in knobs()}
    files = {variable(key) + FILE_SUFFIX: key for key, field in knobs().items() if secret(field)}
    names = {name.upper(): name for name in os.environ if name.upper().startswith(PREFIX)}
    mounted = {files[upper]: names.pop(upper) for upper in list(names) if upper in files}
    unknown = [name for upper, name in names.items() if upper not in known and not _somebody_elses(name)]
    if unknown:
        bare = [name.removeprefix(PREFIX) for name in known]  # the prefix would make every name look like every other
        raise SettingsError(
            f"{name} = {_hushed(name, os.environ[name])} (from the environment): no such setting"
            f"{did_you_mean(name.upper().removeprefix(PREFIX), bare, PREFIX)}"
            for name in unknown
        )
    tree = _Environment(_Names)()
    given = {
        f"{section}.{knob}": Given(value, names[variable(f"{section}.{knob}")])
        for section, knobs_given in tree.items()
        for knob, value in knobs_given.items()
        if f"{section}.{knob}" in knobs()
    }
    return given | {key: _from_secret_file(name, given.get(key)) for key, name in mounted.items()}


def _from_secret_file(name: str, given: Given | None) -> Given:
    """The content of the file that a variable names, without the line's end that editors leave."""
    path = os.environ[name]
    if given is not None:
        raise SettingsError([f"{given.origin} and {name} (from the environment): give one of them"])
    try:
        return Given(Path(path).read_text().rstrip("\r\n"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{name} = {_show(path)} (from the environment): cannot be read: {error}"]) from error


def _somebody_elses(name: str) -> bool:
    if name in NOT_KNOBS:
        return True
    link = SERVICE_LINK.fullmatch(name)
    # FEED_GATEWAY_PORT=8080 is a misspelt FEED_GATEWAY__PORT; a service link of that name holds a URL.
    return link is not None and (not name.endswith("_PORT") or "SERVICE" in name or "://" in os.environ[name])


def _split_list(key: str, flag: Given) -> Given:
    field = knobs().get(key)
    if field is not None and isinstance(flag.value, str) and allowed(field).startswith("a list"):
        return flag._replace(value=_list(flag.value))
    return flag


def _list(text: str) -> object:
    """A list, written as JSON or with commas. JSON that is none is returned as it is, for the models to refuse."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _refuse_unknown(given: Mapping[str, Given]) -> None:
    known = knobs()
    lines = []
    for key, (value, origin) in given.items():
        if key not in known:
            section, _, knob = key.partition(".")
            there = SECTIONS.get(section)
            hint = did_you_mean(knob, there.model_fields, f"{section}.") if there else did_you_mean(key, known)
            what = "no such setting" if section in SECTIONS else f"no such section [{section}]"
            lines.append(f"{key} = {_hushed(key, value)} (from {origin}): {what}{hint}")
    if lines:
        raise SettingsError(lines)


def _line(fault: ErrorDetails, given: Mapping[str, Given]) -> str:
    key = ".".join(str(part) for part in fault["loc"][:2])
    field = knobs().get(key)
    if not key:  # a rule between sections
        return str(fault.get("ctx", {}).get("error", fault["msg"]))
    if field is None:  # a rule between the knobs of one section
        said = str(fault.get("ctx", {}).get("error", fault["msg"]))
        origins = {
            who.origin for name, who in given.items() if name.startswith(f"{key}.") and name[len(key) + 1 :] in said
        }
        return f"[{key}] (from {', '.join(sorted(origins))}): {said}"
    value, origin = given[key]
    return f"{key} = {HIDDEN if secret(field) else _show(value)} (from {origin}): must be {allowed(field)}"


def _hushed(name: str, value: object) -> str:
    """The value of a knob that does not exist: of a misspelt secret's, none."""
    return HIDDEN if SOUNDS_SECRET.search(name) else _show(value)


def _show(value: object) -> str:
    return mask(json.dumps(value, default=str, ensure_ascii=False))
