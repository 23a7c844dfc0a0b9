"""A right value -> values that are wrong the way readings go wrong: one digit, a swapped pair, a moved point, a shifted date. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from random import Random

from ocr_ops.model import Kind


class Slip(StrEnum):
    """How a value was made wrong."""

    DIGIT = "one digit"
    SWAP = "a swapped pair"
    POINT = "a moved decimal point"
    DATE = "a shifted date"


def slips_of(kind: Kind) -> tuple[Slip, ...]:
    """What can happen to a value of that kind."""
    if kind is Kind.DATE:
        return (Slip.DIGIT, Slip.SWAP, Slip.DATE)
    return (Slip.DIGIT, Slip.SWAP, Slip.POINT) if kind is Kind.MONEY else (Slip.DIGIT, Slip.SWAP)


def slipped(value: str, slip: Slip, dice: Random) -> str | None:
    """The value with one slip, or None where this slip leaves it as it was, or makes no date of a date."""
    made = {Slip.DIGIT: _digit, Slip.SWAP: _swap, Slip.POINT: _point, Slip.DATE: _day}[slip](value, dice)
    return made if made != value and _is_date(made) == _is_date(value) else None


def _digit(value: str, dice: Random) -> str:
    places = [place for place, char in enumerate(value) if char.isdigit()]
    if not places:
        return value
    place = dice.choice(places)
    other = dice.choice([digit for digit in "0123456789" if digit != value[place]])
    return value[:place] + other + value[place + 1 :]


def _swap(value: str, dice: Random) -> str:
    places = [p for p in range(len(value) - 1) if value[p : p + 2].isdigit() and value[p] != value[p + 1]]
    if not places:
        return value
    place = dice.choice(places)
    return value[:place] + value[place + 1] + value[place] + value[place + 2 :]


def _point(value: str, dice: Random) -> str:
    digits, point, cents = value.partition(".")
    if not point or not digits.lstrip("-"):
        return value
    left = f"{digits[:-1] or '0'}.{digits[-1]}{cents}"
    right = f"{digits}{cents[:1]}.{cents[1:] or '0'}"
    return dice.choice((left if digits[-1].isdigit() and len(digits) > 1 else right, right))


def _day(value: str, dice: Random) -> str:
    if not _is_date(value):
        return value
    return (
        date.fromisoformat(value) + timedelta(days=dice.choice((-365, -30, -10, -1, 1, 10, 30, 365)))
    ).isoformat()


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return len(value) == 10
