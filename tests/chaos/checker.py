"""Compares what every client received, or was told is missing, with what the venue made. Knows no code of the service.

    python -m tests.chaos.checker DIR

checks the journals of a run that was kept: DIR holds `truth` (or `recording`), `faults` and `CLIENT.journal`.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos import journal, truth
from tests.chaos.account import Account, Entry, Tape
from tests.chaos.journal import Line
from tests.chaos.places import Places, stream_of
from tests.chaos.tally import Column, Finding, Tally
from tests.chaos.truth import Message, Track, Truth

SYMBOLS = {"BTCUSDT": "BTC/USDT", "ETHUSDT": "ETH/USDT"}
CHANNELS = ("trades", "quotes", "bars", "bars1s")


class Reader:
    """One client's journal against the truth."""

    def __init__(self, client: str, made: Truth, tape: Tape, tally: Tally) -> None:
        self.client = client
        self.told: Counter[str] = Counter()  # closes, notices, errors, gaps by cause: for people
        self._made, self._tape, self._tally = made, tape, tally
        self._accounts: dict[str, Account] = {}
        self._commands: dict[Any, Message] = {}
        self._wildcards: set[str] = set()
        self._rated_wildcards: set[str] = set()
        self._heard_ns = 0
        self._ended = False

    def read(self, lines: Iterable[Line]) -> None:
        last_ns = 0
        for at_ns, what, content in lines:
            last_ns, self._ended = at_ns, what == "end"
            if what == "sent":
                self._sent(at_ns, content[0])
            elif what == "frame":
                for message in content:
                    self._message(at_ns, message)
            elif what == "open":
                self._commands.clear()
            elif what == "lost":
                self.told[f"closed {content[1]}" if content[1] else "lost"] += 1
        if not self._ended:
            self._find(Column.WRONG, last_ns, "the journal ends before the client does")
        for account in self._accounts.values():
            account.end(last_ns)

    def _sent(self, at_ns: int, command: Message) -> None:
        if command.get("action") != "subscribe":
            return
        self._commands[command.get("id")] = command
        for kind in CHANNELS:
            for symbol in command.get(kind, ()):
                if symbol == "*":
                    self._wildcards.add(kind)
                    self._rated_wildcards |= {kind} if command.get("rate") else set()
                streams = [name for name in self._made if name.startswith(f"{kind}:")] if symbol == "*" else None
                for stream in streams if streams is not None else [f"{kind}:{symbol}"]:
                    account = self._account(stream)
                    account.rated = account.rated or bool(command.get("rate"))
                    account.wanted_ns = account.wanted_ns or at_ns

    def _account(self, stream: str) -> Account:
        account = self._accounts.get(stream)
        if account is None:
            account = Account(self.client, stream, self._made.get(stream), self._tape, self._tally)
            account.rated = stream.partition(":")[0] in self._rated_wildcards
            self._accounts[stream] = account
        return account

    def _message(self, at_ns: int, message: Message) -> None:
        what, stream = message["T"], stream_of(message)
        if what in ("t", "q", "b") and stream is not None:
            if self._heard_ns:
                self._tally.silent(self._heard_ns, at_ns)
            self._heard_ns = at_ns
            self._account(stream).tick(at_ns, message)
        elif what == "gap" and stream is not None:
            self.told[f"gap {message['cause']}"] += 1
            self._account(stream).gap(at_ns, message)
        elif what == "epoch" and stream is not None:
            self.told["epoch"] += 1
            self._account(stream).epoch(at_ns, message)
        elif what == "subscription":
            self._answered(at_ns, message)
        elif what == "heartbeat":
            for key, seq in message.get("seq", {}).items():
                self._account(key).heartbeat(seq)
        elif what == "granted":  # the project's own client does not show its commands
            self._granted(message)
        elif what == "fault":
            self._find(Column.WRONG, at_ns, f"the client itself noticed: {message}")
        elif what in ("error", "notice", "status"):
            self.told[f"{what} {message.get('code', message.get('state'))}"] += 1

    def _answered(self, at_ns: int, answer: Message) -> None:
        command = self._commands.pop(answer.get("id"), None)
        if command is None:
            return self._find(Column.WRONG, at_ns, f"an answer to nothing: {answer}")
        for stream, state in answer["streams"].items():
            account, since = self._account(stream), command.get("since", {}).get(stream)
            account.snapshot_due = bool(command.get("snapshot")) or state.get("recovered") is False
            if since is None:
                if account.at is None:
                    account.at = (state["epoch"], state["seq"])
                continue
            if account.at is not None and account.at != (since["epoch"], since["seq"]):
                self._find(Column.WRONG, at_ns, f"{stream}: the client resumed at {since} and stood at {account.at}")
            account.at = (since["epoch"], since["seq"])
            if "recovered" not in state:
                self._find(Column.WRONG, at_ns, f"{stream}: no word of `recovered`")
            account.gap_due = state.get("recovered") is False
            self.told[f"recovered {state.get('recovered')}"] += 1
        silent = [stream for stream in command.get("since", {}) if stream not in answer["streams"]]
        if silent:
            self._find(Column.UNEXPLAINED, at_ns, f"resumed, and not answered: {silent}", len(silent))
        return None

    def _granted(self, message: Message) -> None:
        for stream, state in message["streams"].items():
            account = self._account(stream)
            account.at = account.at or (state["epoch"], state["seq"])
            account.gap_due = account.snapshot_due = state["recovered"] is False
            self.told[f"recovered {state['recovered']}"] += 1

    def _find(self, what: Column, at_ns: int, detail: str, count: int = 1) -> None:
        self._tally.find(Finding(what, self.client, "", at_ns, count, detail))


def tape_of(journals: Mapping[str, Sequence[Line]], made: Truth, tally: Tally) -> Tape:
    """What the clients together say of each number. Two that say different things cannot both be right."""
    tape = Tape()
    for client, lines in journals.items():
        places = Places()
        for at_ns, what, content in lines:
            for message in content if what == "frame" else ():
                places.take(message)
                stream = stream_of(message)
                if stream not in made:
                    continue
                if message["T"] == "gap" and "q" in message:
                    ids = message.get("ids")
                    tape.gaps[stream, message["q"]] = (ids[0], ids[1]) if ids else None
                elif message["T"] in ("t", "q") and not message.get("snap"):
                    entry = stream, places.at[stream][0], message["q"]
                    if not _noted(tape, entry, made[stream], message, at_ns, tally):
                        detail = f"{message} of epoch {entry[1]} is another tick to another client"
                        tally.find(Finding(Column.WRONG, client, stream, at_ns, 1, detail))
    return tape


def _noted(tape: Tape, entry: Entry, track: Track, message: Message, at_ns: int, tally: Tally) -> bool:
    """Whether a tick is what others were told under its number."""
    place = track.find(message)
    if place is None or entry[1] is None:
        return True
    if entry not in tape.ticks and not track.items[place].made_ns:
        tally.add(at_ns, Column.PUBLISHED)  # of a recording nobody noted when it was played
    return tape.ticks.setdefault(entry, place) == place


def check(journals: Mapping[str, Sequence[Line]], made: Truth, tally: Tally) -> dict[str, Counter[str]]:
    """Fills the tally; answers what else each client was told."""
    tape = tape_of(journals, made, tally)
    told = {}
    for client, lines in journals.items():
        reader = Reader(client, made, tape, tally)
        reader.read(lines)
        told[client] = reader.told
    return told


def check_directory(directory: Path) -> tuple[Tally, Truth, dict[str, Counter[str]]]:
    """Checks what one round left in its directory."""
    if (directory / "truth").exists():
        made = truth.read(directory / "truth")
    else:
        made = truth.recorded(sorted(directory.glob("*.gz")), SYMBOLS)
    starts = [json.loads(line)[0] for line in (directory / "faults").read_text().splitlines()]
    tally = Tally(starts)
    for track in made.values():
        for item in track.items:
            if item.made_ns and not item.hole:
                tally.add(item.made_ns, Column.PUBLISHED)
    journals = {path.stem: list(journal.read(path)) for path in sorted(directory.glob("*.journal"))}
    return tally, made, check(journals, made, tally)


def main() -> int:
    tally, _, told = check_directory(Path(sys.argv[1]))
    for finding in sorted(tally.findings, key=lambda finding: finding.at_ns):
        print(f"{finding.at_ns} {finding.what} x{finding.times} {finding.client} {finding.stream}: {finding.detail}")
    for client, counts in told.items():
        print(client, dict(counts))
    print({name: tally.total(name) for name in sorted({name for _, name in tally.counts})})
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
