"""Line items: the rows of a table under a header of known column words, or a receipt's "what ... price" lines.

In: laid-out pages, the schema's fields below an array, the decimal mark. Out: `Item`s and their `Reading`s. A receipt
without a header line yields items only when they add up to an amount printed below them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ocr_ops.grammar.numbers import Amount, DecimalMark, find_amounts
from ocr_ops.grammar.words import letters
from ocr_ops.model import Kind, Reading, Schema
from ocr_ops.readers.layout.labels import LabelSet
from ocr_ops.readers.layout.lexicon import concepts
from ocr_ops.readers.layout.page import Cell, Page, Row

_NUMERIC = (Kind.MONEY, Kind.QUANTITY, Kind.RATE)
_END = frozenset({"total", "sub", "due", "summary", "cash", "change", "round"})
_TIMES = re.compile(
    r"(?P<count>\d{1,4}(?:[.,]\d{1,3})?)\s*(?:[xX×*@]|st(?:k|ck)?\.? ?[xX×à])\s*(?=(?:[A-Z]{2,3}|[€$£])?\s?\d)"
)
_COUNT = re.compile(r"^\D{0,3}(?P<count>\d{1,3})\s*[xX×]$|^(?P<only>\d{1,3})$")
_TOLERANCE = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Value:
    """One cell of an item."""

    text: str
    raw: str
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One line item: values by column name ("description", "quantity", …); `amount` is the line total."""

    row: int
    values: dict[str, Value]
    amount: Decimal | None = None
    sure: bool = False


@dataclass(frozen=True, slots=True)
class _Column:
    """One header cell, and the schema column it names, if any."""

    cell: Cell
    name: str = ""
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The array the columns belong to, and the column names by their part in it."""

    prefix: str
    kinds: dict[str, Kind]
    labels: LabelSet = field(repr=False)

    def first(self, *kinds: Kind) -> list[str]:
        """Column names of these kinds in schema order."""
        return [name for name, kind in self.kinds.items() if kind in kinds]


def find_items(pages: Sequence[Page], schema: Schema, mark: DecimalMark) -> tuple[Item, ...]:
    """The rows that look like items of the first array of `schema`; not yet checked against any total."""
    columns = _columns_of(schema)
    if columns is None:
        return ()
    return _table_items(pages, columns, mark) or _plain_items(pages, columns, mark)


def read_lines(items: Sequence[Item], schema: Schema, totals: Iterable[Decimal]) -> tuple[Reading, ...]:
    """Readings with pointers into the record, for items that add up to one of `totals` or multiply out one by one."""
    columns = _columns_of(schema)
    if columns is None or not items:
        return ()
    total = sum((i.amount for i in items if i.amount is not None), Decimal(0))
    fits = any(abs(total - t) <= _TOLERANCE for t in totals)
    if not fits and 2 * sum(i.sure for i in items) < len(items):
        return ()
    return tuple(_readings(items, columns.prefix, 0.85 if fits else 0.5))


def _columns_of(schema: Schema) -> _Columns | None:
    fields = [f for f in schema.fields if "/*/" in f.path]
    if not fields:
        return None
    prefix = fields[0].path.split("/*/")[0]
    own = [f for f in fields if f.path.startswith(f"{prefix}/*/")]
    return _Columns(prefix, {f.path.rsplit("/", 1)[1]: f.kind for f in own}, LabelSet(own))


def _readings(items: Sequence[Item], prefix: str, score: float) -> Iterable[Reading]:
    for number, item in enumerate(items):
        for name, value in item.values.items():
            yield Reading(f"{prefix}/{number}/{name}", value.text, value.raw, value.blocks, score)


def _table_items(pages: Sequence[Page], columns: _Columns, mark: DecimalMark) -> tuple[Item, ...]:
    items: list[Item] = []
    header: list[_Column] = []
    for page in pages:
        for place in range(len(page.rows)):
            found = _header(page, place, columns)
            if found and (not header or len(_names(found)) >= len(_names(header)) - 1):
                header = found
                items += _body(page, place + 1, header, columns, mark)
    return tuple(items)


def _names(header: Sequence[_Column]) -> set[str]:
    return {c.name for c in header if c.name}


def _header(page: Page, place: int, columns: _Columns) -> list[_Column]:
    """The columns that a line names, when it names a numeric one and one more and holds no money."""
    row = page.rows[place]
    if len(row.cells) < 3 or any(a.looks_like_money for c in row.cells for a in find_amounts(c.text)):
        return []
    cells = [part for cell in row.cells for part in _split_header(cell, columns)]
    offers = sorted(
        (
            (m.score, n, path)
            for n, cell in enumerate(cells)
            for path, m in columns.labels.match(cell.text).items()
        ),
        key=lambda o: (-o[0], o[1]),
    )
    named: dict[int, str] = {}
    for score, number, path in offers:
        name = path.rsplit("/", 1)[1]
        if score >= 0.58 and number not in named and name not in named.values():
            named[number] = name
    kinds = [columns.kinds[name] for name in named.values()]
    if len(named) < 2 or Kind.MONEY not in kinds or not {Kind.TEXT, Kind.QUANTITY} & set(kinds):
        return []
    last, money = len(cells) - 1, columns.first(Kind.MONEY)
    if last not in named and money[-1] not in named.values() and Kind.QUANTITY in kinds:
        named[last] = money[-1]
    return [_Column(c, named.get(n, ""), columns.kinds.get(named.get(n, ""))) for n, c in enumerate(cells)]


def _split_header(cell: Cell, columns: _Columns) -> list[Cell]:
    """Two column words that stand so close that they were read as one."""
    words = cell.text.split(" ")
    if not 2 <= len(words) <= 4 or any(m.score >= 0.9 for m in columns.labels.match(cell.text).values()):
        return [cell]
    for cut in range(1, len(words)):
        left, right = " ".join(words[:cut]), " ".join(words[cut:])
        ours, others = _sure_names(left, columns), _sure_names(right, columns)
        if ours and others and ours != others:
            middle = cell.x1 + (cell.x2 - cell.x1) * (len(left) + 0.5) / len(cell.text)
            return [replace(cell, text=left, x2=middle), replace(cell, text=right, x1=middle)]
    return [cell]


def _sure_names(text: str, columns: _Columns) -> set[str]:
    return {path for path, match in columns.labels.match(text).items() if match.score >= 0.9}


def _body(page: Page, start: int, header: list[_Column], columns: _Columns, mark: DecimalMark) -> list[Item]:
    money = columns.first(Kind.MONEY)
    key = next((m for m in reversed(money) if m in _names(header)), "")
    items: list[Item] = []
    idle = 0
    for row in page.rows[start:]:
        if _ends(row, items, mark) or (items and _is_header(row)):
            break
        item = _item(row, header, columns, key, mark)
        if item:
            items.append(item)
            idle = 0
        elif items and idle < 1:
            items[-1] = _with_more_words(items[-1], row, page, columns)
            idle += 1
        else:
            idle += 1
        if idle > 14:
            break
    return items


def _ends(row: Row, items: Sequence[Item], mark: DecimalMark) -> bool:
    said = concepts(row.text)
    amounts = [a for c in row.cells for a in find_amounts(c.text, mark) if a.looks_like_money]
    wordy = [c for c in row.cells if letters(c.text) >= 3]
    if items and said & {"excl", "tax"} and len(amounts) == 1 and len(_plain_numbers(row, mark)) == 1:
        return True
    return (
        bool(items)
        and bool(said & _END)
        and (len(amounts) <= 2 or not wordy or bool(concepts(wordy[0].text) & _END))
    )


def _plain_numbers(row: Row, mark: DecimalMark) -> list[Amount]:
    return [a for c in row.cells for a in find_amounts(c.text, mark) if not a.percent]


def _is_header(row: Row) -> bool:
    """Whether a row is all words in three columns or more: the next table begins."""
    return len(row.cells) >= 3 and all(
        letters(c.text) >= 2 and letters(c.text) > len(c.text) / 2 for c in row.cells
    )


def _item(row: Row, header: list[_Column], columns: _Columns, key: str, mark: DecimalMark) -> Item | None:
    values: dict[str, Value] = {}
    amount: Decimal | None = None
    words: list[Cell] = []
    for cell in row.cells:
        column = _column_of(cell, header)
        numbers = find_amounts(cell.text, mark)
        if column and column.kind in _NUMERIC and numbers and column.name not in values:
            number = numbers[0]
            if column.kind is Kind.MONEY and not number.looks_like_money and number.decimals not in (3, 4):
                continue
            values[column.name] = _value(number, cell)
            amount = number.value if column.name == key else amount
        elif letters(cell.text) >= 3 and (column is None or column.kind not in _NUMERIC):
            words.append(cell)
    if amount is None:
        return None
    described = _words_value(words, header)
    for name in columns.first(Kind.TEXT)[:1]:
        if described:
            values = {name: described, **values}
    return Item(row.index, values, amount, _multiplies(values, columns, key))


def _multiplies(values: dict[str, Value], columns: _Columns, key: str) -> bool:
    """Whether quantity times unit price is the line total."""
    quantity = next((values[n] for n in columns.first(Kind.QUANTITY) if n in values), None)
    price = next((values[n] for n in columns.first(Kind.MONEY) if n in values and n != key), None)
    if not quantity or not price or key not in values:
        return False
    return abs(Decimal(quantity.text) * Decimal(price.text) - Decimal(values[key].text)) <= Decimal("0.02")


def _column_of(cell: Cell, header: list[_Column]) -> _Column | None:
    def distance(column: _Column) -> float:
        other = column.cell
        shared = min(cell.x2, other.x2) - max(cell.x1, other.x1)
        edges = min(
            abs(cell.x1 - other.x1), abs(cell.x2 - other.x2), abs(cell.x1 + cell.x2 - other.x1 - other.x2) / 2
        )
        return edges - (cell.height * 2 if shared > 0 else 0)

    best = min(header, key=distance)
    return best if distance(best) < 4 * cell.height else None


def _value(number: Amount, cell: Cell) -> Value:
    return Value(number.text, number.raw, (cell.block,))


def _words_value(words: Sequence[Cell], header: list[_Column]) -> Value | None:
    """The description: cells under its header, else all the words of the line."""
    under = [c for c in words if (column := _column_of(c, header)) is not None and column.kind is Kind.TEXT]
    cells = under or list(words)
    text = " ".join(c.text for c in cells)[:300].strip()
    return Value(text, text, tuple(dict.fromkeys(c.block for c in cells))) if text else None


def _with_more_words(item: Item, row: Row, page: Page, columns: _Columns) -> Item:
    """The first line under an item, when the item has no words of its own."""
    name = next(iter(columns.first(Kind.TEXT)), "")
    if not name or name in item.values or letters(row.text) < 3 or row.index - item.row > 1:
        return item
    text = row.text[:300]
    return replace(item, values={name: Value(text, text, row.blocks), **item.values})


def _plain_items(pages: Sequence[Page], columns: _Columns, mark: DecimalMark) -> tuple[Item, ...]:
    """Receipt lines: words left, one amount at the right end, until the first total."""
    money, text = columns.first(Kind.MONEY), columns.first(Kind.TEXT)
    if not money or not text or not pages:
        return ()
    items: list[Item] = []
    counted: tuple[Value, Value, Decimal] | None = None
    for row in pages[0].rows:
        if _ends(row, items, mark):
            break
        times = _times(row, mark)
        item = _plain_item(row, pages[0], text[0], money[-1], mark)
        if times and items and items[-1].amount == times[2] and (item is None or item.amount != times[2]):
            items[-1] = _counted(items[-1], times, columns)
        elif item:
            fitting = next((t for t in (times, counted) if t and t[2] == item.amount), None)
            items.append(_counted(item, fitting, columns) if fitting else item)
        counted = times
    return tuple(items)


def _plain_item(row: Row, page: Page, text: str, money: str, mark: DecimalMark) -> Item | None:
    amounts = [(c, a) for c in row.cells for a in find_amounts(c.text, mark) if a.looks_like_money]
    words = [c for c in row.cells if letters(c.text) >= 3 and not _TIMES.search(c.text)]
    if not amounts or not words or concepts(row.text) & (_END | {"tax"}):
        return None
    cell, amount = amounts[-1]
    left = min(c.x1 for c in page.rows[row.index - page.rows[0].index].cells)
    if (cell.x2 <= words[0].x2 and cell is not words[0]) or cell.x2 - left < 0.3 * page.width:
        return None
    end = find_amounts(words[0].text, mark)
    description = words[0].text[: end[-1].start].strip() if cell is words[0] and end else words[0].text
    if letters(description) < 3:
        return None
    values = {text: Value(description[:300], description, (words[0].block,)), money: _value(amount, cell)}
    return Item(row.index, values, amount.value)


def _times(row: Row, mark: DecimalMark) -> tuple[Value, Value, Decimal] | None:
    """ "2 x 1,49" on a line: count, price and their product."""
    found = _TIMES.search(row.text)
    if not found:
        return None
    prices = find_amounts(row.text[found.end() :], mark)
    counts = find_amounts(found["count"], mark)
    if not prices or not counts:
        return None
    count, price = counts[0], prices[0]
    product = (count.value * price.value).quantize(Decimal("0.01"))
    return Value(count.text, found["count"], row.blocks), Value(price.text, price.raw, row.blocks), product


def _counted(item: Item, times: tuple[Value, Value, Decimal], columns: _Columns) -> Item:
    quantity, prices = columns.first(Kind.QUANTITY)[:1], columns.first(Kind.MONEY)[:-1][:1]
    extra = {**dict.fromkeys(quantity, times[0]), **dict.fromkeys(prices, times[1])}
    return replace(item, values={**item.values, **extra})
