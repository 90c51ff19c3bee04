"""`python -m feed` is the command `feed`."""

from feed.cli import main

main(prog_name="feed")
