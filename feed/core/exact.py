"""Sums of prices and sizes without rounding: a float's shortest decimal, as an integer or a fraction."""

from fractions import Fraction
from typing import Final

SCALE: Final = 10**8
_EXACT: Final = 10**15  # below it no two decimals of 8 places share a float: one that gives it is its shortest form

Exact = int | Fraction


def exact(number: float) -> Exact:
    """The number's shortest decimal form, in units of 1e-8. `repr` gives it too, five times as slowly."""
    units = round(number * 1e8)
    if units / 1e8 == number and -_EXACT < units < _EXACT:
        return units
    return Fraction(repr(number)) * SCALE


def rounded(units: Exact) -> float:
    """The float nearest to a sum of `exact` numbers."""
    return float(units / SCALE) if isinstance(units, Fraction) else units / SCALE
