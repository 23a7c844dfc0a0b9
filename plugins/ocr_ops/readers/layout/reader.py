"""Pages and a schema -> one `Candidate`: each kind of field goes to the module that knows its place on paper."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ocr_ops.grammar.currency import guess_currency
from ocr_ops.grammar.dates import DateOrder, date_order
from ocr_ops.grammar.numbers import decimal_mark
from ocr_ops.model import Candidate, Kind, Reading, ReadPage, Schema
from ocr_ops.readers.layout.amounts import all_money
from ocr_ops.readers.layout.labels import labels_of
from ocr_ops.readers.layout.lexicon import concepts
from ocr_ops.readers.layout.lines import find_items, read_lines
from ocr_ops.readers.layout.measures import read_measures
from ocr_ops.readers.layout.merchant import read_merchant
from ocr_ops.readers.layout.numbers_beside import read_identifiers, read_words
from ocr_ops.readers.layout.page import Page, lay_out
from ocr_ops.readers.layout.parties import read_parties
from ocr_ops.readers.layout.totals import read_totals
from ocr_ops.readers.layout.when import read_dates, read_times

READER = "layout"
VERSION = "9"


def read_layout(pages: Sequence[ReadPage], schema: Schema) -> Candidate:
    """Propose a value for every field of `schema` that the pages show clearly enough."""
    laid = lay_out(pages)
    texts = [cell.text for page in laid for row in page.rows for cell in row.cells]
    currency = guess_currency(texts)
    mark = decimal_mark(texts)
    money = all_money(laid, mark)
    items = find_items(laid, schema, mark)
    sum_of_lines = sum((i.amount for i in items if i.amount is not None), Decimal(0)) if items else None
    hint: DateOrder = "mdy" if currency == "USD" else "dmy"
    dates = read_dates(laid, schema, date_order(texts, hint))
    totals = read_totals(money, schema, _summary_row(laid), sum_of_lines)
    labels = labels_of(f for f in schema.fields if "*" not in f.path)
    readings = [
        *dates,
        *_measured(read_measures(laid, schema, mark), [*read_times(laid, schema, dates), *totals]),
        *read_identifiers(laid, schema, labels),
        *read_words(laid, schema, labels),
        *read_lines(items, schema, [Decimal(r.value) for r in totals]),
        *_currency(laid, schema, currency),
        *_merchant(laid, schema),
        *read_parties(laid, schema, labels),
    ]
    return Candidate(READER, VERSION, tuple(sorted(readings, key=lambda r: r.path)))


def _measured(measures: Sequence[Reading], others: Sequence[Reading]) -> list[Reading]:
    """What a list of measures says of times and amounts goes before what their usual place says."""
    found = {reading.path for reading in measures}
    return [*measures, *(reading for reading in others if reading.path not in found)]


def _summary_row(pages: Sequence[Page]) -> int | None:
    """The row where a receipt starts to list its tax by rate, which repeats amounts under the word "total"."""
    rows = [row for page in pages for row in page.rows]
    late = (row for row in rows if row.index > 0.35 * len(rows))
    return next((row.index for row in late if "summary" in concepts(row.text)), None)


def _currency(pages: Sequence[Page], schema: Schema, code: str | None) -> list[Reading]:
    paths = [f.path for f in schema.fields if f.kind is Kind.CURRENCY and "*" not in f.path]
    return [Reading(path, code, "", (), 0.8) for path in paths if code]


def _merchant(pages: Sequence[Page], schema: Schema) -> list[Reading]:
    roles = {f.role: f.path for f in schema.fields if f.role}
    readings = []
    if "merchant_name" in roles or "merchant_address" in roles:
        for role, found in zip(("merchant_name", "merchant_address"), read_merchant(pages), strict=True):
            if found and role in roles:
                readings.append(
                    Reading(roles[role], found.text, found.text, found.blocks, round(found.score, 3))
                )
    return readings
