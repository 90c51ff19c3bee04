"""The command `feed`. Its modules import what they run inside the commands: `--help` answers at once."""

import click

from feed import __version__
from feed.cli.bench import bench
from feed.cli.config import config
from feed.cli.demo import demo
from feed.cli.gateway import gateway
from feed.cli.health import health
from feed.cli.ingest import ingest
from feed.cli.key import key
from feed.cli.replay import replay
from feed.cli.trace import trace
from feed.cli.watch import watch


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="feed")
def main() -> None:
    """Market data: venues in, Redis in the middle, WebSocket clients out.

    Every setting is a key in a TOML file (--config), an environment variable such as FEED_GATEWAY__PORT,
    and often a flag; the later of these wins. `feed config` shows them all.

    Begin with: feed demo
    """


for command in (demo, ingest, gateway, replay, watch, trace, bench, key, config, health):
    main.add_command(command)
