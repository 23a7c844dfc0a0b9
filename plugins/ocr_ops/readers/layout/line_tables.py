"""The items of a table under column titles: which title names which column, and the rows below it.

In: laid-out pages, columns, the decimal mark. Out: `Item`s. A number belongs to the title it stands under; quantity times price
makes total is the referee where titles are silent, and past the first total only rows that it confirms are items.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ocr_ops.grammar.numbers import Amount, DecimalMark, find_amounts, tidy
from ocr_ops.grammar.words import letters
from ocr_ops.model import Kind
from ocr_ops.readers.layout.items import (
    Columns,
    Item,
    Value,
    carries,
    ends,
    makes,
    multiplies,
    number_value,
    words_value,
)
from ocr_ops.readers.layout.page import Cell, Page, Row

_NUMERIC = (Kind.MONEY, Kind.QUANTITY, Kind.RATE)
_GOOD, _CERTAIN = 0.58, 0.9
"""Scores of a label from which a title may name a column, and from which it does beyond doubt."""
_IDLE_ROWS = 14
_PITCH = 1.45
"""Lines of one description follow each other by at most this many heights of its letters."""
_MOST_PERCENT = 100
_DETAIL = re.compile(r"^\s*[•*\-–]|^[^\W\d][\w .\-]{1,28} ?: ?\S")
"""How a line begins that says more about an article and is no part of its name: "• red", "Batch: 17"."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One title, and the schema column it names, if any."""

    cell: Cell
    name: str = ""
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class _Header:
    """A table's titles. `rows`: lines they take; `below`: the description stands on the line under the numbers, here."""

    columns: tuple[_Column, ...]
    rows: int = 1
    below: Cell | None = None

    @property
    def names(self) -> set[str]:
        """Schema columns that are named."""
        return {c.name for c in self.columns if c.name}


@dataclass(frozen=True, slots=True)
class _Number:
    """A number with the place where it alone stands."""

    amount: Amount
    cell: Cell
    column: _Column | None


def table_items(pages: Sequence[Page], columns: Columns, mark: DecimalMark) -> tuple[Item, ...]:
    """The items of every table of the document, in reading order."""
    items: list[Item] = []
    header: _Header | None = None
    for page in pages:
        begun = False
        for place in range(len(page.rows)):
            found = _header(page, place, columns)
            if found and (header is None or len(found.names) >= len(header.names) - 1):
                header, begun = found, True
                items += _Body(page, header, columns, mark).items(place + found.rows)
        if header is not None and not begun and items:
            items += _Body(page, header, columns, mark, carried=True).items(0)
    return tuple(items)


def _header(page: Page, place: int, columns: Columns) -> _Header | None:
    """The columns that a line names, when it names a numeric one and one more and holds no money."""
    row = page.rows[place]
    if len(row.cells) < 3 or _has_money(row):
        return None
    cells = [part for cell in row.cells for part in _split(cell, columns)]
    if not any(_certain_names(cell.text, columns) for cell in cells):
        return None
    offers = [
        (score, n, path)
        for n, cell in enumerate(cells)
        for path, score in _offers(page, place, cell, columns)
    ]
    named = _named(offers, columns)
    kinds = [columns.kinds[name] for name in named.values()]
    if len(named) < 2 or Kind.MONEY not in kinds or not {Kind.TEXT, Kind.QUANTITY} & set(kinds):
        return None
    last = len(cells) - 1
    if last not in named and columns.total not in named.values() and Kind.QUANTITY in kinds:
        named[last] = columns.total
    titles = tuple(
        _Column(c, named.get(n, ""), columns.kinds.get(named.get(n, ""))) for n, c in enumerate(cells)
    )
    below = None if columns.text in named.values() else _title_below(page, place, columns)
    return _Header(titles, 1 if below is None else 2, below)


def _has_money(row: Row) -> bool:
    return any(a.looks_like_money for c in row.cells for a in find_amounts(c.text))


def _offers(page: Page, place: int, cell: Cell, columns: Columns) -> Iterator[tuple[str, float]]:
    """Column names for a title with how well they fit; a title may go on in the line above or below it."""
    own = columns.labels.match(cell.text)
    yield from ((path.rsplit("/", 1)[1], match.score) for path, match in own.items())
    if any(match.score >= _CERTAIN and len(cell.text) > 3 for match in own.values()):
        own_best = max(own.values(), key=lambda match: match.score)
        if own_best.score == 1.0 and columns.kinds[own_best.path.rsplit("/", 1)[1]] is not Kind.RATE:
            return
    for step in (-1, 1):
        other = _title_beside(page, place, step, cell)
        if other is not None:
            text = f"{other.text} {cell.text}" if step < 0 else f"{cell.text} {other.text}"
            for path, match in columns.labels.match(text).items():
                if match.score >= _CERTAIN:
                    yield path.rsplit("/", 1)[1], match.score + 0.01


def _title_beside(page: Page, place: int, step: int, cell: Cell) -> Cell | None:
    if not 0 <= place + step < len(page.rows) or _has_money(page.rows[place + step]):
        return None
    near = [
        other
        for other in page.rows[place + step].cells
        if abs(other.middle - cell.middle) < 1.7 * cell.height
        and min(other.x2, cell.x2) - max(other.x1, cell.x1)
        > 0.5 * min(other.x2 - other.x1, cell.x2 - cell.x1)
    ]
    return near[0] if len(near) == 1 else None


def _named(offers: Sequence[tuple[float, int, str]], columns: Columns) -> dict[int, str]:
    """Which title names what: the best match first, the line's total as far right as its word stands."""
    named: dict[int, str] = {}
    for score, number, name in sorted(
        offers, key=lambda o: (-round(o[0], 2), -o[1] if o[2] == columns.total else o[1])
    ):
        if score >= _GOOD and number not in named and name not in named.values():
            named[number] = name
    passed = {
        n for score, n, name in offers if name == columns.total and score >= _CERTAIN and n not in named
    }
    if (
        passed
        and columns.quantity
        and columns.quantity not in named.values()
        and columns.total in named.values()
    ):
        named[min(passed)] = columns.quantity  # "Amount ... Total": how many of it
    return named


def _title_below(page: Page, place: int, columns: Columns) -> Cell | None:
    """The description's title on the second line of the titles: it stands below the numbers in every item too."""
    if place + 1 >= len(page.rows) or _has_money(page.rows[place + 1]) or len(page.rows[place + 1].cells) > 3:
        return None
    cells = page.rows[place + 1].cells
    return next((c for c in cells if columns.text in _certain_names(c.text, columns)), None)


def _split(cell: Cell, columns: Columns) -> list[Cell]:
    """Two titles that stand so close that they were read as one."""
    words = cell.text.split(" ")
    if not 2 <= len(words) <= 7 or any(m.score >= _CERTAIN for m in columns.labels.match(cell.text).values()):
        return [cell]
    for cut in range(len(words) - 1, 0, -1):
        left, right = " ".join(words[:cut]), " ".join(words[cut:])
        ours, others = _certain_names(left, columns), _certain_names(right, columns)
        if ours and others and ours != others:
            middle = cell.x1 + (cell.x2 - cell.x1) * (len(left) + 0.5) / len(cell.text)
            return [replace(cell, text=left, x2=middle), replace(cell, text=right, x1=middle)]
    return [cell]


def _certain_names(text: str, columns: Columns) -> set[str]:
    return {path.rsplit("/", 1)[1] for path, m in columns.labels.match(text).items() if m.score >= _CERTAIN}


class _Body:
    """The rows under one header on one page, read from top to bottom."""

    def __init__(
        self, page: Page, header: _Header, columns: Columns, mark: DecimalMark, *, carried: bool = False
    ) -> None:
        self.page, self.header, self.columns, self.mark = page, header, columns, mark
        self.strict = carried
        """Whether a total was passed, or the titles stand on an earlier page: only rows that multiply out are items."""
        self.found: list[Item] = []
        self.words: list[Cell] = []
        """Lines of the latest item's description so far."""
        self.above: Row | None = None
        """The line just read, when it held words and no item."""

    def items(self, start: int) -> list[Item]:
        """Every item from row `start` of the page on."""
        idle = 0
        for place in range(start, len(self.page.rows)):
            row = self.page.rows[place]
            if self.found and _is_header(row):
                break
            if carries(row):
                self.words, self.above = [], None
                continue
            item = self._item(row)
            over = ends(row, bool(self.found), self.mark)
            if item is not None and (item.sure or not (over or self.strict)):
                self._take(item, place)
                idle = 0
                continue
            self.strict = self.strict or over or idle > _IDLE_ROWS
            idle += 1
            if not over and self.found:
                self._go_on(row)
            self.above = row
        return self.found

    def _take(self, item: Item, place: int) -> None:
        text = self.columns.text
        if self.header.below is not None:
            self.words = self._under(self.header.below, place + 1)
        elif text and text not in item.values and self.above is not None:
            self.words = [c for c in self.above.cells if letters(c.text) >= 3]
        self.found.append(self._described(item))
        self.above = None

    def _described(self, item: Item) -> Item:
        words = words_value(self.words)
        if not self.columns.text or words is None:
            return item
        return replace(
            item,
            values={
                self.columns.text: words,
                **{k: v for k, v in item.values.items() if k != self.columns.text},
            },
        )

    def _under(self, title: Cell, place: int) -> list[Cell]:
        """The words under a title on a row that is not itself an item's."""
        if place >= len(self.page.rows):
            return []
        edge = 2 * self.page.line
        return [
            c for c in self.page.rows[place].cells if abs(c.x1 - title.x1) < edge and letters(c.text) >= 3
        ][:1]

    def _go_on(self, row: Row) -> None:
        """A row that is no item may hold the next line of the latest description, or the first where there is none."""
        if self.header.below is not None or row.index == 0:
            return
        if not self.words:
            if row.index - self.found[-1].row == 1 and letters(row.text) >= 3:
                self.words = list(row.cells)
                self.found[-1] = self._described(self.found[-1])
            return
        last = self.words[-1]
        more = [c for c in row.cells if _continues(c, last, self.page.line)]
        if len(more) == 1 and not self._has_number(row):
            self.words.append(more[0])
            self.found[-1] = self._described(self.found[-1])

    def _has_number(self, row: Row) -> bool:
        return any(n.column and n.column.kind in _NUMERIC for n in self._numbers(row))

    def _item(self, row: Row) -> Item | None:
        """What one row says under the titles; None without a line total."""
        columns, values = self.columns, dict[str, Value]()
        numbers = self._numbers(row)
        for number in numbers:
            column = number.column
            if (
                column
                and column.kind in _NUMERIC
                and column.name not in values
                and _suits(column, number.amount)
            ):
                values[column.name] = number_value(number.amount, number.cell)
        if columns.total not in values:
            return None
        if not multiplies(values, columns):
            values |= self._by_product(numbers, values)
        self.words = self._words(row)
        described = words_value(self.words)
        if described and columns.text:
            values = {columns.text: described, **values}
        return Item(row.index, values, Decimal(values[columns.total].text), multiplies(values, columns))

    def _words(self, row: Row) -> list[Cell]:
        """The description: cells under its title, else all the words of the line."""
        placed = [(c, _column_of(c, self.header.columns)) for c in row.cells if letters(c.text) >= 3]
        under = [c for c, column in placed if column is not None and column.kind is Kind.TEXT]
        return under or [c for c, column in placed if column is None or column.kind not in _NUMERIC]

    def _numbers(self, row: Row) -> list[_Number]:
        """The numbers of a row under their titles; those of one cell each at its own place."""
        found: list[_Number] = []
        for cell in row.cells:
            amounts = find_amounts(cell.text, self.mark)
            if not amounts:
                continue
            whole = _column_of(cell, self.header.columns)
            if whole is not None and whole.kind is Kind.TEXT:
                continue
            for amount in amounts:
                part = _part(cell, amount) if len(amounts) > 1 else cell
                column = _column_of(part, self.header.columns) if len(amounts) > 1 else whole
                found.append(_Number(amount, part, column))
        return found

    def _by_product(self, numbers: Sequence[_Number], values: dict[str, Value]) -> dict[str, Value]:
        """Quantity and price where only one pair of the row's numbers makes its total."""
        columns = self.columns
        if not columns.quantity or not columns.price:
            return {}
        total = Decimal(values[columns.total].text)
        free = [
            n
            for n in numbers
            if not n.amount.percent and (n.column is None or n.column.name != columns.total)
        ]
        pairs = [
            (quantity, price)
            for quantity in free
            for price in free
            if quantity is not price
            and price.amount.decimals >= 2
            and price.amount.decimals > quantity.amount.decimals
            and makes(quantity.amount.value, price.amount.value, total)
        ]
        if len(pairs) != 1:
            return {}
        quantity, price = pairs[0]
        return {
            columns.quantity: number_value(quantity.amount, quantity.cell),
            columns.price: number_value(price.amount, price.cell),
        }


def _suits(column: _Column, amount: Amount) -> bool:
    """Whether a number can be what its column holds."""
    if column.kind is Kind.MONEY:
        return amount.looks_like_money or amount.decimals in (3, 4)
    if column.kind is Kind.RATE:
        return abs(amount.value) < _MOST_PERCENT
    return not amount.percent


def _part(cell: Cell, amount: Amount) -> Cell:
    """Where one number of a cell stands, by its share of the letters."""
    length = max(len(tidy(cell.text)), 1)
    width = cell.x2 - cell.x1
    return replace(
        cell,
        text=amount.raw,
        x1=cell.x1 + width * amount.start / length,
        x2=cell.x1 + width * amount.end / length,
    )


def _continues(cell: Cell, last: Cell, line: float) -> bool:
    """Whether words are the next line of a description: its left edge, its pitch, and no detail of another kind."""
    beside = abs(cell.x1 - last.x1) < 0.6 * line
    near = 0 < cell.y1 - last.y1 <= _PITCH * min(last.height, cell.height)
    return beside and near and letters(cell.text) >= 2 and not _DETAIL.match(cell.text)


def _is_header(row: Row) -> bool:
    """Whether a row is all words in three columns or more: the next table begins."""
    return len(row.cells) >= 3 and all(
        letters(c.text) >= 2 and letters(c.text) > len(c.text) / 2 for c in row.cells
    )


def _column_of(cell: Cell, header: Sequence[_Column]) -> _Column | None:
    x1, x2, height = cell.x1, cell.x2, cell.height
    near: float = 4 * height
    best: _Column | None = None
    for column in header:
        other = column.cell
        edges = min(abs(x1 - other.x1), abs(x2 - other.x2), abs(x1 + x2 - other.x1 - other.x2) / 2)
        shared = min(x2, other.x2) - max(x1, other.x1)
        distance = edges - (height * 2 if shared > 0 else 0)
        if distance < near:
            near, best = distance, column
    return best
