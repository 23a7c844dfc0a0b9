"""What a line item is, and the columns of a schema's first array. Values and small questions about them; no search."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from ocr_ops.grammar.numbers import Amount, DecimalMark, find_amounts, parse_number
from ocr_ops.grammar.words import fold, letters
from ocr_ops.model import Kind, Schema
from ocr_ops.readers.layout.labels import LabelSet, labels_of
from ocr_ops.readers.layout.lexicon import concepts
from ocr_ops.readers.layout.page import Cell, Row

END = frozenset({"total", "sub", "due", "summary", "cash", "change", "round"})
"""Concepts that say "the items are over"."""

CENTS = Decimal("0.02")
"""How far quantity times price may be from the line total: both were rounded."""

_LONGEST = 300
_MOST_CELLS_CARRIED = 3

_CARRIED = re.compile(
    r"\W*(?:(?:amount|balance|total|sub ?total|page total)?\s*(?:carried|brought) (?:forward|over|down)|[cb] [fd]|a reporter|report(?: de la page \d+)?"
    r"|(?:uebertrag|ubertrag)(?: (?:von|auf|aus) seite \d+)?|(?:te )?transport(?:eren)?|a riportare|riporto|suma y sigue|suma anterior)\W*"
)
"""What a line is called that takes a sum from one page to the next, folded."""


@dataclass(frozen=True, slots=True)
class Value:
    """One cell of an item."""

    text: str
    raw: str
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One line item: values by column name; `amount` is the line total, `sure`: quantity times price makes it."""

    row: int
    values: Mapping[str, Value]
    amount: Decimal | None = None
    sure: bool = False


@dataclass(frozen=True)
class Columns:
    """The array the columns belong to, and the column names by their part in it; "" where there is none."""

    prefix: str
    kinds: Mapping[str, Kind]
    labels: LabelSet = field(repr=False)

    def first(self, *kinds: Kind) -> str:
        """The first column of these kinds in schema order."""
        return next((name for name, kind in self.kinds.items() if kind in kinds), "")

    @cached_property
    def text(self) -> str:
        """What was sold."""
        return self.first(Kind.TEXT)

    @cached_property
    def quantity(self) -> str:
        """How many."""
        return self.first(Kind.QUANTITY)

    @cached_property
    def total(self) -> str:
        """The last column of money: the line's total."""
        return next((name for name in reversed(list(self.kinds)) if self.kinds[name] is Kind.MONEY), "")

    @cached_property
    def price(self) -> str:
        """The first column of money when there are two: the price of one."""
        name = self.first(Kind.MONEY)
        return name if name != self.total else ""


def columns_of(schema: Schema) -> Columns | None:
    """The columns of the first array of a schema, or None where it has none."""
    fields = [f for f in schema.fields if "/*/" in f.path]
    if not fields:
        return None
    prefix = fields[0].path.split("/*/")[0]
    own = [f for f in fields if f.path.startswith(f"{prefix}/*/")]
    return Columns(prefix, {f.path.rsplit("/", 1)[1]: f.kind for f in own}, labels_of(own))


def number_value(number: Amount, cell: Cell) -> Value:
    """A number as a value."""
    return Value(number.text, number.raw, (cell.block,))


def words_value(cells: tuple[Cell, ...] | list[Cell], text: str | None = None) -> Value | None:
    """The words of some cells as one value, a word broken at its line's end put together; None without words."""
    joined = cells[0].text if cells else ""
    for cell in cells[1:]:
        joined += ("" if joined.endswith(("-", "/")) else " ") + cell.text
    words = (joined if text is None else text)[:_LONGEST].strip(" :;•*")
    return Value(words, words, tuple(dict.fromkeys(c.block for c in cells))) if letters(words) else None


def makes(quantity: Decimal, price: Decimal, total: Decimal) -> bool:
    """Whether a quantity times a price is a line's total."""
    return abs(quantity * price - total) <= CENTS


def multiplies(values: Mapping[str, Value], columns: Columns) -> bool:
    """Whether an item's quantity times its price is its total."""
    names = (columns.quantity, columns.price, columns.total)
    return all(name in values for name in names) and makes(*(Decimal(values[name].text) for name in names))


def ends(row: Row, begun: bool, mark: DecimalMark) -> bool:
    """Whether a line closes the items: a total's word beside few amounts, or a net amount alone."""
    if not begun:
        return False
    said = concepts(row.text)
    numbers = [a for c in row.cells for a in find_amounts(c.text, mark) if not a.percent]
    amounts = [a for a in numbers if a.looks_like_money]
    if said & {"excl", "tax"} and len(amounts) == 1 and len(numbers) == 1:
        return True
    wordy = [c for c in row.cells if letters(c.text) >= 3]
    return bool(said & END) and (len(amounts) <= 2 or not wordy or bool(concepts(wordy[0].text) & END))


def carries(row: Row) -> bool:
    """Whether a line only takes the sum so far from one page to the next: an amount, and words that say so."""
    if len(row.cells) > _MOST_CELLS_CARRIED:
        return False
    words = [fold(c.text) for c in row.cells if letters(c.text) >= 2 and not is_amount(c.text)]
    return bool(words) and _CARRIED.fullmatch(" ".join(words)) is not None


def is_amount(text: str) -> bool:
    """Whether a text is one amount of money and no more."""
    return parse_number(text) is not None
