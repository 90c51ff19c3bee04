"""One client's account of one stream: every tick that was made is delivered, counted in an `m`, or named in a gap.

It is kept twice, by the protocol's sequence numbers and by what the venue made. The numbers alone could be right over
a tick that was dropped before it was numbered; the venue's order alone can't tell how an epoch must be told.
"""

from collections.abc import Iterable
from typing import Any

from tests.chaos.places import Place
from tests.chaos.tally import Column, Finding, Tally
from tests.chaos.truth import Message, Track

Entry = tuple[str, str | None, int]


class Tape:
    """What any client was told of a number: a tick, as its place in the truth; a gap of the log, as its ids."""

    def __init__(self) -> None:
        self.ticks: dict[Entry, int] = {}
        self.gaps: dict[tuple[str, int], tuple[int, int] | None] = {}  # by stream and seq: a gap may span epochs


# A subscription needs so long to take effect, at most: what was made later must have come.
JOINING_NS = 5_000_000_000


class Account:
    def __init__(self, client: str, stream: str, track: Track | None, tape: Tape, tally: Tally) -> None:
        """`track` is None for streams whose ticks nobody wrote down: only their numbers are checked."""
        self.at: Place | None = None
        self.rated = False  # whether the client asked for a rate: a trade is conflated for no other reason
        self.wanted_ns: int | None = None
        self.gap_due = False  # the answer said that not all could be recovered
        self.snapshot_due = False  # the answer may be followed by the last tick, which may be known
        self._client, self._stream, self._track, self._tape, self._tally = client, stream, track, tape, tally
        self._place: int | None = None  # of the last tick in the truth
        self._delivered = bytearray(len(track) if track else 0)
        self._named: set[int] = set()
        self._budget = 0  # entries that gaps named by number since the last tick
        self._open = False  # since then a gap named what nobody can count
        self._sent_to = 0  # by the last heartbeat, where that is more than was told of

    def tick(self, at_ns: int, message: Message) -> None:
        self._told_at(at_ns, message)
        place = None
        if self._track is not None:
            place = self._track.find(message)
            if place is None:
                self._find(Column.WRONG, at_ns, f"a tick that the venue did not make so: {message}")
        if self.at is None:
            before = message["m"]["q0"] if "m" in message else message["q"]
            self.at = (None, message["q"] if message.get("snap") else before - 1)
        due, self.snapshot_due = self.snapshot_due, False
        if message.get("snap") and due and self._known(place, message):
            return None
        if message["q"] <= self.at[1]:
            return self._again(at_ns, place, message)
        if message["q"] <= self._sent_to:
            self._find(Column.WRONG, at_ns, f"a heartbeat said {self._sent_to}, before {message}")
        self._sent_to = 0
        hole = self._number(at_ns, message)
        missing = self._count(at_ns, place, message) if place is not None else 0
        if max(hole, missing):
            detail = f"before q {message['q']}: {hole} by number, {missing} by the venue's order"
            self._find(Column.UNEXPLAINED, at_ns, detail, max(hole, missing))
        return None

    def gap(self, at_ns: int, gap: Message) -> None:
        self.gap_due = False
        first, last, after = gap["from"], gap["to"], gap["next"]
        stands = self.at
        self.at = (after["epoch"], after["seq"] - 1)
        if stands is not None and first != stands[1] + 1:
            # what begins late leaves a hole; what begins early names what was delivered
            what = Column.UNEXPLAINED if first > stands[1] else Column.WRONG
            self._find(what, at_ns, f"{gap} at {stands}", abs(first - stands[1] - 1))
        if stands is not None and stands[0] is not None and gap["epoch"] != stands[0]:
            self._find(Column.WRONG, at_ns, f"a gap of another epoch: {gap} at {stands}")
        if last is not None and (last < first or after["seq"] != last + 1):
            self._find(Column.WRONG, at_ns, f"a gap whose ends do not fit: {gap}")
        if "q" in gap:
            self._in_band(at_ns, gap)
        elif last is None:
            self._open = True
        else:
            self._budget += last - first + 1
            self._lost(at_ns, gap, [(self._stream, gap["epoch"], seq) for seq in range(first, last + 1)])

    def epoch(self, at_ns: int, message: Message) -> None:
        self._told_at(at_ns, message)
        # it may leave numbers out: entries that a Redis which forgot them was given twice
        if self.at is not None and message["seq"] <= self.at[1]:
            self._find(Column.WRONG, at_ns, f"an epoch that goes back: {message} at {self.at}")
        self.at = (message["epoch"], message["seq"] - 1)

    def heartbeat(self, seq: int) -> None:
        """Up to this number all was sent, says the server."""
        self._sent_to = seq if self.at is not None and seq > self.at[1] and not self.rated else 0

    def end(self, at_ns: int) -> None:
        """The market closed, and the client had time to hear all of it."""
        hole = self._sent_to - self.at[1] if self._sent_to and self.at is not None else 0
        missing = 0
        if self._track is not None:
            begin = self._place + 1 if self._place is not None else self._begin()
            untold = [place for place in range(begin, len(self._track)) if place not in self._named]
            missing = self._explained(at_ns, untold)
        if max(hole, missing):
            detail = f"at the end, at {self.at}: {hole} by the heartbeat, {missing} by the venue's order"
            self._find(Column.UNEXPLAINED, at_ns, detail, max(hole, missing))

    def _begin(self) -> int:
        """The first tick that this client must have heard of, as it was never told of one."""
        assert self._track is not None
        since = self.wanted_ns + JOINING_NS if self.wanted_ns is not None else None
        made = (place for place, item in enumerate(self._track.items) if since is not None and item.made_ns > since)
        return next(made, len(self._track.items))

    def _told_at(self, at_ns: int, message: Message) -> None:
        if self.gap_due:
            self._find(Column.WRONG, at_ns, f"not recovered, and no gap before {message}")
            self.gap_due = False

    def _known(self, place: int | None, message: Message) -> bool:
        """Whether a snapshot brings nothing new: it is not to be counted then."""
        assert self.at is not None
        epoch, stands = self.at
        told = None if place is None or self._place is None else place <= self._place
        if told is False or (told is None and message["q"] > stands):
            return False
        self.at = (epoch, max(stands, message["q"]))
        return True

    def _again(self, at_ns: int, place: int | None, message: Message) -> None:
        """A number that was passed before."""
        told = self._track is None or (place is not None and self._delivered[place])
        self._find(Column.DUPLICATED if told else Column.DISORDERED, at_ns, f"{message} at {self.at}")

    def _number(self, at_ns: int, message: Message) -> int:
        """Moves on to the message's number; answers how many numbers were left out."""
        assert self.at is not None
        epoch, stands = self.at
        seq: int = message["q"]
        m = message.get("m")
        self.at = (epoch, seq)
        first: int = m["q0"] if m else seq
        if m and (m["n"] < 2 or m["n"] != seq - first + 1 or first <= stands):
            self._find(Column.WRONG, at_ns, f"an m that does not add up at {stands}: {message}")
        if m and message["T"] == "t" and not self.rated:
            self._find(Column.WRONG, at_ns, f"trades conflated though no rate was asked for: {message}")
        if not m and self._track is None:
            self._tally.add(at_ns, Column.DELIVERED)
        return max(0, first - stands - 1)

    def _count(self, at_ns: int, place: int, message: Message) -> int:
        """Moves on to the tick in the venue's order; answers how many ticks are missing without a word."""
        assert self._track is not None
        if self._place is not None and place <= self._place:
            told = (
                Column.DUPLICATED
                if self._delivered[place]
                else Column.WRONG
                if place in self._named
                else Column.DISORDERED
            )
            self._find(told, at_ns, f"{message} after {self._track.items[self._place].first}, the venue's order")
            return 0
        covered = self._covered(place, message["m"]["n"]) if "m" in message else [place]
        if "m" in message and (wrong := self._wrong_totals(message, covered)):
            self._find(Column.WRONG, at_ns, f"{wrong}: {message}")
        if place in self._named:
            self._find(Column.WRONG, at_ns, f"a gap named what is delivered now: {message}")
        begin = covered[-1] if self._place is None else self._place + 1
        counted = set(covered)
        missing = [each for each in range(begin, place) if each not in counted and each not in self._named]
        for each in covered:
            self._delivered[each] = 1
        self._tally.add(at_ns, Column.DELIVERED)
        self._tally.add(at_ns, Column.CONFLATED, len(covered) - 1)
        unexplained = self._explained(at_ns, missing)
        if not self._open and self._budget > len(missing):
            self._tally.add(at_ns, Column.SPARE, self._budget - len(missing))
        self._place, self._budget, self._open = place, 0, False
        return unexplained

    def _explained(self, at_ns: int, missing: list[int]) -> int:
        """Counts what gaps account for; answers how many of the missing they don't."""
        assert self._track is not None
        if self._open:
            unexplained = 0
        else:
            holes = sum(self._track.items[place].hole for place in missing)
            # the gap that stood for a hole of the venue was an entry too, and may itself be among the lost
            unexplained = max(0, len(missing) - self._budget) if self._budget else len(missing)
            unexplained = max(0, unexplained - holes) if self._budget else unexplained
        if missing:
            self._tally.add(at_ns, Column.NAMED, len(missing) - unexplained)
        return unexplained

    def _covered(self, place: int, count: int) -> list[int]:
        """The newest `count` ticks up to `place` that were not told of yet: those that an `m` stands for."""
        assert self._track is not None
        found: list[int] = []
        stands = -1 if self._place is None else self._place
        for each in range(place, stands, -1):
            if len(found) == count:
                break
            if not self._track.items[each].hole and each not in self._named:
                found.append(each)
        return found

    def _wrong_totals(self, message: Message, covered: list[int]) -> str:
        assert self._track is not None
        m: dict[str, Any] = message["m"]
        if len(covered) != m["n"]:
            return f"an m of {m['n']} where {len(covered)} were left"
        if message["T"] != "t":
            return ""
        said = [self._track.items[place].says for place in covered]
        prices, volume = [tick["p"] for tick in said], sum(tick["s"] for tick in said)
        if float(m["v"]) != float(volume):
            return f"v is {volume}"
        if (m["h"], m["l"]) != (max(prices), min(prices)):
            return f"h and l are {max(prices)} and {min(prices)}"
        return ""

    def _lost(self, at_ns: int, gap: Message, entries: list[Entry]) -> None:
        """Entries that this client will not get, and others may have got."""
        self._check_untold(at_ns, gap, (self._tape.ticks[entry] for entry in entries if entry in self._tape.ticks))
        for stream, _, seq in entries:
            if (stream, seq) in self._tape.gaps and self._track is not None:
                # a gap of the log is lost with the rest: it stood for more than one
                ids = self._tape.gaps[stream, seq]
                self._open = self._open or ids is None
                self._named.update(self._track.named(*ids) if ids else ())

    def _in_band(self, at_ns: int, gap: Message) -> None:
        if gap["cause"] not in ("venue", "ingest") or gap["q"] != gap["from"] or gap["q"] != gap["to"]:
            self._find(Column.WRONG, at_ns, f"no gap of the log: {gap}")
        if "ids" not in gap or self._track is None:
            self._open = True
            return
        places = self._track.named(*gap["ids"])
        self._check_untold(at_ns, gap, places)
        if not places:
            self._find(Column.WRONG, at_ns, f"ids that the venue neither made nor left out: {gap}")
        self._named.update(places)
        ticks = sum(not self._track.items[place].hole for place in places)
        self._tally.add(at_ns, Column.NAMED, len(places))
        self._tally.add(at_ns, Column.SKIPPED, ticks)

    def _check_untold(self, at_ns: int, gap: Message, places: Iterable[int]) -> None:
        told = [place for place in places if self._delivered[place]]
        if told:
            self._find(Column.WRONG, at_ns, f"a gap names what was delivered: {gap}", len(told))

    def _find(self, what: Column, at_ns: int, detail: str, count: int = 1) -> None:
        self._tally.find(Finding(what, self._client, self._stream, at_ns, count, detail))
