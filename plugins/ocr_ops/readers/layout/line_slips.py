"""The items of a till slip, which has no column titles: words left, an amount at the right end, until the first total.

In: laid-out pages, columns, the decimal mark. Out: `Item`s. Knows four ways to print how many: "2 x Soap", "2 x 1,49" above or
below the article, and the article on a line of its own with "2 x 1,49 2,98" below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ocr_ops.grammar.numbers import DecimalMark, find_amounts, tidy
from ocr_ops.grammar.words import letters
from ocr_ops.model import Kind
from ocr_ops.readers.layout.items import END, Columns, Item, Value, ends, makes, number_value, words_value
from ocr_ops.readers.layout.lexicon import concepts
from ocr_ops.readers.layout.page import Cell, Page, Row

_TIMES = re.compile(
    r"(?P<count>\d{1,4}(?:[.,]\d{1,3})?)\s*(?:[xX×*@]|st(?:k|ck)?\.? ?[xX×à])\s*(?=(?:[A-Z]{2,3}|[€$£])?\s?\d)"
)
_LEADING = re.compile(r"^(?P<count>\d{1,3})(?:\s+[xX×*]\s*|[xX×*]\s+|[xX×](?=[^\W\d_a-z]))(?=[^\W\d_])")
_NET = re.compile(r"^\W*net(?:to|t)?(?![a-z])", re.IGNORECASE)
_MOST_RIGHT = 0.3
"""Share of the page's width that lies at least between the line's beginning and the end of its amount."""


@dataclass(frozen=True, slots=True)
class _Times:
    """ "2 x 1,49" on a line: count and price."""

    count: Value
    price: Value

    def fits(self, amount: Decimal | None) -> bool:
        """Whether their product is an amount."""
        return amount is not None and makes(Decimal(self.count.text), Decimal(self.price.text), amount)


def slip_items(pages: Sequence[Page], columns: Columns, mark: DecimalMark) -> tuple[Item, ...]:
    """Items of the first page, top to bottom; discounts and roundings between them count as items of their own."""
    if not columns.total or not columns.text or not pages:
        return ()
    items: list[Item] = []
    above: Row | None = None
    counted: _Times | None = None
    for row in pages[0].rows:
        if ends(row, bool(items), mark) or _sums_up(row, items, mark):
            break
        times = _times(row, mark)
        item = _item(row, pages[0], columns, mark) or _under_its_words(row, above, times, columns, mark)
        if item is None and times and items and times.fits(items[-1].amount):
            items[-1] = _counted(items[-1], times, columns)
        elif item is not None:
            fitting = next((t for t in (times, counted) if t and t.fits(item.amount)), None)
            items.append(_counted(item, fitting, columns) if fitting else item)
        above = row if item is None and times is None else None
        counted = times if item is None else None
    return tuple(items)


def _sums_up(row: Row, items: Sequence[Item], mark: DecimalMark) -> bool:
    """Whether a line repeats the sum of the items above it: a subtotal, whatever it is called."""
    amounts = [a.value for c in row.cells for a in find_amounts(c.text, mark) if a.looks_like_money]
    if not items or not amounts or _TIMES.search(row.text):
        return False
    total = sum((i.amount for i in items if i.amount is not None), Decimal(0))
    return amounts[-1] == total and (len(items) > 2 or bool(_NET.match(row.text)))


def _item(row: Row, page: Page, columns: Columns, mark: DecimalMark) -> Item | None:
    """A line with words and an amount right of them."""
    words = [c for c in row.cells if letters(c.text) >= 3 and not _TIMES.search(c.text)]
    priced = _amount_cell(row, page, mark)
    if priced is None or not words or concepts(row.text) & (END | {"tax"}):
        return None
    cell, value, amount = priced
    if cell.x2 <= words[0].x2 and cell is not words[0]:
        return None
    description, count = _described(row, words[0], cell, mark)
    if description is None or letters(description.text) < 3:
        return None
    counts = {columns.quantity: count} if count and columns.quantity else {}
    return Item(row.index, {columns.text: description, **counts, columns.total: value}, amount)


def _amount_cell(row: Row, page: Page, mark: DecimalMark) -> tuple[Cell, Value, Decimal] | None:
    """The last amount of a line, when it stands far enough right."""
    amounts = [(c, a) for c in row.cells for a in find_amounts(c.text, mark) if a.looks_like_money]
    if not amounts or amounts[-1][0].x2 - row.cells[0].x1 < _MOST_RIGHT * page.width:
        return None
    cell, amount = amounts[-1]
    return cell, number_value(amount, cell), amount.value


def _described(row: Row, first: Cell, priced: Cell, mark: DecimalMark) -> tuple[Value | None, Value | None]:
    """The words of an article without its amount, and how many of it where that stands before them."""
    text = first.text
    if first is priced:
        text = tidy(text)[: find_amounts(text, mark)[-1].start].strip()
    before = [c for c in row.cells if c.x2 <= first.x1 + 1 and c is not first]
    led = _LEADING.match(" ".join([*(c.text for c in before[-1:]), text]))
    if not led:
        return words_value([first], text), None
    holder = before[-1] if before else first
    named = text if before else text[led.end() :]
    return words_value([first], named), Value(led["count"], led["count"], (holder.block,))


def _under_its_words(
    row: Row, above: Row | None, times: _Times | None, columns: Columns, mark: DecimalMark
) -> Item | None:
    """ "2 x 1,49   2,98" below the line that names the article."""
    amounts = [(c, a) for c in row.cells for a in find_amounts(c.text, mark) if a.looks_like_money]
    if above is None or times is None or len(amounts) < 2 or not times.fits(amounts[-1][1].value):
        return None
    words = words_value([c for c in above.cells if letters(c.text) >= 2])
    if words is None or letters(words.text) < 3:
        return None
    cell, amount = amounts[-1]
    return Item(row.index, {columns.text: words, columns.total: number_value(amount, cell)}, amount.value)


def _times(row: Row, mark: DecimalMark) -> _Times | None:
    found = _TIMES.search(row.text)
    if not found:
        return None
    prices = find_amounts(row.text[found.end() :], mark)
    counts = find_amounts(found["count"], mark)
    if not prices or not counts:
        return None
    count, price = counts[0], prices[0]
    return _Times(Value(count.text, found["count"], row.blocks), Value(price.text, price.raw, row.blocks))


def _counted(item: Item, times: _Times, columns: Columns) -> Item:
    extra = {columns.quantity: times.count, columns.price: times.price}
    known = {name: value for name, value in extra.items() if name}
    return replace(item, values={**item.values, **known}, sure=columns.kinds.get(columns.price) is Kind.MONEY)
