"""`feed watch`."""

import click


@click.command()
def watch() -> None:
    """Soon."""
