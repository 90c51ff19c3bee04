"""What the venue really made: every tick of every stream in its order, and the holes that it left in its ids."""

import gzip
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

Message = dict[str, Any]


class Item(NamedTuple):
    """One step of a stream. A tick has `first == last`, its id, and `says`: the fields that a client must be told.

    A hole stands for ids that the venue skipped: `says` is empty.
    """

    first: int
    last: int
    says: dict[str, Any]
    made_ns: int

    @property
    def hole(self) -> bool:
        return not self.says


class Track:
    """One stream's items by rising id. A client's message is found in it by what it says.

    Quotes reach clients without an id: the venue gives each a bid size of its own, which tells them apart.
    """

    def __init__(self, kind: str, items: Iterable[Item]) -> None:
        self.kind = kind
        self.items = sorted(items, key=lambda item: item.first)
        self._firsts = [item.first for item in self.items]
        self._by_size = {item.says["bs"]: place for place, item in enumerate(self.items) if kind == "quotes"}

    def __len__(self) -> int:
        return len(self.items)

    def find(self, message: Message) -> int | None:
        """The place of the tick that a client's message tells of; None where it tells of none that was made."""
        place = self._by_size.get(Decimal(message["bs"])) if self.kind == "quotes" else self._place(message["i"])
        if place is None:
            return None
        says = self.items[place].says
        same = says and all(message.get(key) == value for key, value in says.items())
        return place if same else None

    def named(self, first: int, last: int) -> range:
        """The places of the items that lie wholly within the venue ids `first` to `last`."""
        begin, end = bisect_left(self._firsts, first), bisect_right(self._firsts, last)
        if begin < end and self.items[end - 1].last > last:
            end -= 1
        return range(begin, end)

    def _place(self, tick_id: int) -> int | None:
        place = bisect_left(self._firsts, tick_id)
        return place if place < len(self.items) and self._firsts[place] == tick_id else None


Truth = dict[str, Track]
"""By stream, `kind:symbol`."""


def trade_line(symbol: str, tick_id: int, price: str, size: str, side: str, made_ns: int) -> str:
    return json.dumps(["trades", symbol, tick_id, tick_id, made_ns, {"p": price, "s": size, "tks": side}]) + "\n"


def quote_line(symbol: str, tick_id: int, bid: str, bid_size: str, ask: str, ask_size: str, made_ns: int) -> str:
    says = {"bp": bid, "bs": bid_size, "ap": ask, "as": ask_size}
    return json.dumps(["quotes", symbol, tick_id, tick_id, made_ns, says]) + "\n"


def hole_line(symbol: str, first: int, last: int, made_ns: int) -> str:
    return json.dumps(["trades", symbol, first, last, made_ns, {}]) + "\n"


def read(path: Path) -> Truth:
    """A venue's log."""
    items: dict[str, list[Item]] = {}
    with open(path) as lines:
        for line in lines:
            if not line.endswith("\n"):
                break
            kind, symbol, first, last, made_ns, says = json.loads(line)
            exact = {key: value if key == "tks" else Decimal(value) for key, value in says.items()}
            items.setdefault(f"{kind}:{symbol}", []).append(Item(first, last, exact, made_ns))
    return {stream: Track(stream.partition(":")[0], found) for stream, found in items.items()}


def recorded(files: Iterable[Path], symbols: dict[str, str]) -> Truth:
    """The trades of Binance recordings; `symbols` gives our name for each of the venue's. When is not known here."""
    items: dict[str, list[Item]] = {f"trades:{symbol}": [] for symbol in symbols.values()}
    for path in files:
        with gzip.open(path, "rt") as lines:
            for line in lines:
                data = json.loads(line.partition(" ")[2]).get("data", {})
                if data.get("e") == "trade":
                    says = {"p": Decimal(data["p"]), "s": Decimal(data["q"]), "tks": "S" if data["m"] else "B"}
                    items[f"trades:{symbols[data['s']]}"].append(Item(data["t"], data["t"], says, 0))
    return {stream: Track("trades", found) for stream, found in items.items()}
