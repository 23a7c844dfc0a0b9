"""Line items: the rows of a table under a header of known column words, or a receipt's "what ... price" lines.

In: laid-out pages, the schema's fields below an array, the decimal mark. Out: `Item`s and their `Reading`s. Items that neither
add up to an amount printed below them nor multiply out one by one are not proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ocr_ops.grammar.numbers import DecimalMark
from ocr_ops.model import Reading, Schema
from ocr_ops.readers.layout.items import Item, columns_of
from ocr_ops.readers.layout.line_slips import slip_items
from ocr_ops.readers.layout.line_tables import table_items
from ocr_ops.readers.layout.page import Page

_TOLERANCE = Decimal("0.05")


def find_items(pages: Sequence[Page], schema: Schema, mark: DecimalMark) -> tuple[Item, ...]:
    """The rows that look like items of the first array of `schema`; not yet checked against any total."""
    columns = columns_of(schema)
    if columns is None:
        return ()
    return table_items(pages, columns, mark) or slip_items(pages, columns, mark)


def read_lines(items: Sequence[Item], schema: Schema, totals: Iterable[Decimal]) -> tuple[Reading, ...]:
    """Readings with pointers into the record, for items that add up to one of `totals` or multiply out one by one."""
    columns = columns_of(schema)
    if columns is None or not items:
        return ()
    total = sum((i.amount for i in items if i.amount is not None), Decimal(0))
    fits = any(abs(total - t) <= _TOLERANCE for t in totals)
    if not fits and 2 * sum(i.sure for i in items) < len(items):
        return ()
    return tuple(_readings(items, columns.prefix, 0.85 if fits else 0.5))


def _readings(items: Sequence[Item], prefix: str, score: float) -> Iterable[Reading]:
    for number, item in enumerate(items):
        for name, value in item.values.items():
            yield Reading(f"{prefix}/{number}/{name}", value.text, value.raw, value.blocks, score)
