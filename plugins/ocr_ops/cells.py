"""One value of a record -> what a typed column holds, or the reason why it does not fit.

Text in its schema's form comes in; `Decimal`, `date`, `time` or bounded text goes out. Pure: no database, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any

from ocr_ops.model import Kind

TEXT_LIMIT = 20_000
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in range(32) if chr(code) not in "\t\n\r"}
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_CURRENCY = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Cell:
    """What a typed column takes: the kind of value, and the longest text where it is text."""

    kind: Kind
    max_length: int | None = None


def storable(text: str, limit: int = TEXT_LIMIT) -> str:
    """Bound a text and replace what Postgres cannot store: NUL and other controls, halves of surrogate pairs."""
    text = text[:limit]
    if _UNSTORABLE.search(text) is None:
        return text
    return text.translate(_CONTROL).encode("utf-8", "backslashreplace").decode()


def storable_json(value: Any) -> Any:
    """The same for every text inside plain JSON."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(name)): storable_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(inner) for inner in value]
    return value


def typed(given: Any, cell: Cell) -> Decimal | date | time | str:
    """Turn a value in its schema's form into what its column holds; ValueError says what does not fit."""
    if not isinstance(given, str):
        raise ValueError("it is not text")
    match cell.kind:
        case Kind.MONEY | Kind.QUANTITY | Kind.RATE:
            return _amount(given)
        case Kind.DATE:
            return date.fromisoformat(given)
        case Kind.TIME:
            return time.fromisoformat(given).replace(tzinfo=None)
        case Kind.CURRENCY:
            if not _CURRENCY.fullmatch(given):
                raise ValueError("it is not a code of three capitals")
            return given
    if cell.max_length is not None and len(given) > cell.max_length:
        raise ValueError(f"it is longer than {cell.max_length} characters")
    return storable(given)


def fitting(given: Any, kind: Kind, max_length: int | None = None) -> Any:
    """The same, but None where the value is missing or does not fit: for columns beside the one that reports it."""
    try:
        return None if given is None else typed(given, Cell(kind, max_length))
    except ValueError:
        return None


def _amount(given: str) -> Decimal:
    if not _AMOUNT.fullmatch(given):
        raise ValueError("it is not a number with at most 15 digits before and 6 after the point")
    return Decimal(given)
