"""Options that stand for knobs of the settings, and how commands end in failure: with one line."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from feed.settings.sources import Settings

Command = Callable[..., Any]
Option = Callable[[Any], Any]


class Refused(click.ClickException):
    """Ends the command with exit code 1, because of the world; each line is printed after "feed: "."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))

    def show(self, file: Any = None) -> None:
        for line in self.lines:
            click.echo(f"feed: {line}", file=file, err=file is None)


class Misused(Refused):
    """Ends the command with exit code 2, because of how it was called."""

    exit_code = 2


def variable(key: str) -> str:
    """The environment variable of a knob; settings.sources has it too, but takes long to import."""
    return f"FEED_{key.replace('.', '__').upper()}"


def knob(flag: str, key: str, words: str, *, metavar: str = "TEXT", is_flag: bool = False) -> Option:
    """An option for the knob `key`. Its value is checked by the settings, as that of every other source."""
    words = f"{words}  [env: {variable(key)}]"
    name = key.replace(".", "__")
    if is_flag:
        return click.option(flag, name, is_flag=True, default=None, help=words)
    return click.option(flag, name, metavar=metavar, help=words)


config_file = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="FEED_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help="Settings, as config/feed.toml has them. Environment and flags win over it.",
)
redis_url = knob(
    "--redis",
    "redis.url",
    "Redis or Valkey: redis://, rediss://, redis+sentinel:// or redis+cluster://.",
    metavar="URL",
)
redis_unused = knob("--redis", "redis.url", "Taken as by every command; this one needs no Redis.", metavar="URL")
log_level = knob("--log-level", "log.level", "debug, info, warning or error.", metavar="LEVEL")
log_format = knob("--log-format", "log.format", "auto, console or json.", metavar="FORMAT")


def configured(*options: Option) -> Callable[[Command], Command]:
    """Gives a command the options, and as its first argument the Settings that they, file and environment make.

    Options named `venue__KNOB` stand for the knob of the section that the command's argument FEED names.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def read_then_run(config_file: Path | None, **parameters: Any) -> Any:
            flags = {name: parameters.pop(name) for name in list(parameters) if "__" in name}
            return command(settings_of(config_file, flags, parameters.get("feed", "")), **parameters)

        run: Command = read_then_run
        for option in reversed((config_file, *options)):
            run = option(run)
        return run

    return decorate


def settings_of(config_file: Path | None, flags: Mapping[str, object], venue: str = "") -> "Settings":
    """The settings; `flags` has values by the options' names, None where one was not given. Raises Misused."""
    from feed.settings.sources import Given, SettingsError, load

    said = {parameter.name: parameter.opts[0] for parameter in click.get_current_context().command.params}
    given = {}
    for name, value in flags.items():
        if value is not None:
            section, _, key = name.partition("__")
            given[f"{venue if section == 'venue' else section}.{key}"] = Given(value, said[name])
    try:
        return load(config_file, given)
    except SettingsError as error:
        raise Misused(*error.lines) from error
