"""`feed watch`: a gateway's ticks in the terminal."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feed.cli.options import Misused, configured, log_level, redis_unused

if TYPE_CHECKING:
    from feed.settings.sources import Settings

SECRET = "FEED_SECRET"


@click.command()
@click.argument("url")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option(
    "--kinds", default="trades,quotes,bars", show_default=True, metavar="A,B", help="Kinds of ticks to follow."
)
@click.option(
    "--key",
    default="",
    metavar="fk_...",
    help=f"The key to present. Its secret comes from {SECRET}, from --secret-file, or is asked for.",
)
@click.option("--secret-file", type=click.Path(path_type=Path), metavar="FILE", help="Has the secret of --key.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Has the token to present; read again for each connection, and when the token ends soon.",
)
@click.option("--ca", "ca_file", default="", metavar="FILE", help="Certificates (PEM) to believe, not the system's.")
@click.option("--insecure", is_flag=True, help="Send key or token unencrypted to another machine.")
@configured(redis_unused, log_level)
def watch(
    settings: "Settings",
    url: str,
    symbols: tuple[str, ...],
    kinds: str,
    key: str,
    secret_file: Path | None,
    token_file: Path | None,
    ca_file: str,
    insecure: bool,
) -> None:
    """Follow SYMBOLs of the feed at URL: prices, rates, and the delay from publishing to here. Quote '*' for
    all of them.

    A table on a terminal, plain lines elsewhere. Reconnects by itself and goes on where it stood; Ctrl-C ends it.

    \b
    Examples:
      feed watch ws://127.0.0.1:8080/v2/sim AAPL NVDA
      feed watch ws://127.0.0.1:8080/v2/sim '*' --kinds trades
      feed watch wss://feed.example.com/v2/sim AAPL --key fk_2n7qk4w6v5x3c2zd
    """
    from rich.console import Console

    from feed.client.watch import watch as follow
    from feed.lifecycle import report_faults, run

    report_faults(debug=settings.values.log.level == "debug")
    if key and token_file is not None:
        raise Misused("give --key or --token-file, and not both")
    secret = _secret(secret_file) if key else ""

    async def main(stop: asyncio.Event) -> int:
        return await follow(
            url,
            symbols,
            console=Console(),
            errors=Console(stderr=True),
            stop=stop,
            kinds=kinds.split(","),
            key=key,
            secret=secret,
            token="" if token_file is None else lambda: read_token(token_file),
            ca_file=ca_file,
            insecure=insecure,
        )

    raise SystemExit(run(main))


def read_token(path: Path) -> str:
    """What a file has for a token now. Raises Refused where it can't be read."""
    from feed.client.credentials import PRINTABLE
    from feed.client.errors import Refused

    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"--token-file {path}: {_why(error)}") from error
    if not PRINTABLE.fullmatch(token):
        raise Refused(f"--token-file {path}: holds no token")
    return token


def _secret(path: Path | None) -> str:
    """Never an argument: everyone on the machine sees those. Raises Misused."""
    given = os.environ.get(SECRET, "")
    if path is not None:
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Misused(f"--secret-file {path}: {_why(error)}") from error
    if given:
        return given
    if not sys.stdin.isatty():
        raise Misused(f"--key wants its secret: in {SECRET}, or in the file that --secret-file names")
    asked: str = click.prompt("Secret", hide_input=True, err=True)
    return asked.strip()


def _why(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror).lower() if isinstance(error, OSError) else "is not text"
