"""A client of depth two that believes nothing: it holds every message against what was really published."""

from typing import Any

from feed.bus.entry import Entry
from feed.core.grant import EVERYTHING, Grant
from feed.core.streams import Stream
from feed.core.ticks import Bar, Gap, Quote, Trade
from tests.wire.reading import messages_of

KIND = {"t": "trades", "q": "quotes", "b": "bars"}
At = tuple[str | None, int]


class Truth:
    """One stream as it was published: entries by epoch and number; `forgotten` are those that Redis lost."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int], Entry] = {}
        self.forgotten: set[tuple[str, int]] = set()
        self.epochs: list[tuple[str, int]] = []
        self.seq = 0

    @property
    def at(self) -> At:
        return (self.epochs[-1][0], self.seq) if self.epochs else (None, 0)


class Reader:
    """A hub's member. `full` makes its socket take nothing. `grants` are those of which one must cover whatever it is
    told of: while another is given to it, the old and the new one."""

    def __init__(self, truths: dict[str, Truth]) -> None:
        self.truths = truths
        self.full = False
        self.at: dict[str, At] = {}
        self.wild: set[str] = set()
        self.since: dict[str, At] = {}
        self.snaps: set[str] = set()  # streams of which a snapshot stands for the next entry
        self.answers: list[dict[str, Any]] = []
        self.cut_off = False
        self.grants: tuple[Grant, ...] = (EVERYTHING,)

    def may(self, key: str) -> bool:
        """Whether the newest grant has a stream."""
        return self.grants[-1].allows(Stream("any", *key.split(":", 1)))

    def told(self, key: str) -> None:
        kind, symbol = key.split(":", 1)
        assert any(grant.allows(Stream("any", kind, symbol)) for grant in self.grants), f"told of {key}"

    def write(self, data: bytes) -> bool:
        if self.full:
            return False
        self.put(data)
        return True

    def put(self, data: bytes) -> None:
        for message in messages_of(data) if data else ():
            self.take(message)

    def backlog(self) -> int:
        return 1 << 20 if self.full else 0

    def slow(self, lag_s: float) -> None:
        pass

    def cut(self, *, stalled: bool) -> None:  # noqa: ARG002 - part of the interface
        self.cut_off = True

    def take(self, message: dict[str, Any]) -> None:
        kind = message["T"]
        if kind == "subscription":
            self.answered(message)
        elif kind in KIND:
            key = f"{KIND[kind]}:{message['S']}"
            self.told(key)
            self.appeared(key)
            self.tick(key, message)
        elif kind == "gap":
            self.told(message["stream"])
            self.appeared(message["stream"])
            self.gap(message["stream"], message)
        elif kind == "epoch":
            self.told(message["stream"])
            self.appeared(message["stream"])
            assert message["seq"] - 1 == self.at[message["stream"]][1], message
            self.at[message["stream"]] = message["epoch"], message["seq"] - 1
        else:
            assert kind == "heartbeat", message
            for key, seq in message["seq"].items():
                self.told(key)
                self.appeared(key)
                assert self.at[key][1] == seq, (key, seq, self.at[key])

    def answered(self, message: dict[str, Any]) -> None:
        self.answers.append(message)
        self.wild = {kind for kind in ("trades", "quotes", "bars") if "*" in message[kind]}
        held = {f"{kind}:{symbol}" for kind in ("trades", "quotes", "bars") for symbol in message[kind]}
        for key in held:
            assert key.endswith("*") or self.may(key), key
        for key, state in message["streams"].items():
            self.told(key)
            if key not in held and not (f"{key.split(':')[0]}:*" in held and self.may(key)):
                self.at.pop(key, None)
            elif key in self.since:
                self.at[key] = self.since[key]
                if not state["recovered"]:
                    self.snaps.add(key)
            elif key not in self.at:
                self.at[key] = state["epoch"], state["seq"]
        self.since = {}

    def appeared(self, key: str) -> None:
        """A stream that a wildcard covers and that came later is got from its first entry on."""
        if key not in self.at and key.split(":")[0] in self.wild and self.may(key):
            self.at[key] = None, 0

    def tick(self, key: str, message: dict[str, Any]) -> None:
        epoch, seq = self.at[key]
        q, m = message["q"], message.get("m")
        if message.get("snap"):
            if key in self.snaps:
                assert q == seq + 1, (message, self.at[key])
                self.at[key] = epoch, q
                self.snaps.discard(key)
            else:
                assert q <= seq
            return
        self.snaps.discard(key)  # a log that is empty has no last tick
        assert (m["q0"] if m else q) == seq + 1, (message, self.at[key])
        entries = [self.truths[key].entries[str(epoch), n] for n in range(seq + 1, q + 1)]
        newest = entries[-1]
        assert not any(isinstance(entry, Gap) for entry in entries)
        if isinstance(newest, Trade):
            assert (message["i"], message["p"]) == (newest.id, newest.price)
            if m:
                trades = [entry for entry in entries if isinstance(entry, Trade)]
                assert m["v"] == sum(trade.size for trade in trades)  # sizes are whole here
                assert (m["h"], m["l"]) == (max(t.price for t in trades), min(t.price for t in trades))
        elif isinstance(newest, Quote):
            assert message["bp"] == newest.bid
        else:
            assert isinstance(newest, Bar)
            assert len({entry.ts_event for entry in entries}) == 1, "a bar in place of another"  # type: ignore[union-attr]
        if m:
            assert m["n"] == len(entries) > 1
        self.at[key] = epoch, q

    def gap(self, key: str, message: dict[str, Any]) -> None:
        epoch, seq = self.at[key]
        after = message["next"]
        if "q" in message:
            assert message["q"] == seq + 1
            assert isinstance(self.truths[key].entries[str(epoch), seq + 1], Gap)
        else:
            assert (message["epoch"], message["from"]) == (epoch, seq + 1), (message, self.at[key])
            if message["cause"] == "bus" and message["to"] is not None:
                named = [
                    (str(name), n) for name, _ in self.truths[key].epochs for n in range(seq + 1, message["to"] + 1)
                ]
                assert not [each for each in named if each in self.truths[key].entries and each not in
                            self.truths[key].forgotten], "named what was published and kept"  # fmt: skip
        assert message["to"] is None or after["seq"] == message["to"] + 1
        self.at[key] = after["epoch"], after["seq"] - 1
