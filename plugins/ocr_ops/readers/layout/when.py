"""Which dates and times are the document's.

In: laid-out pages and the schema's date and time fields. Out: `Reading`s.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ocr_ops.grammar.dates import DateOrder, PrintedDate, find_dates, find_times
from ocr_ops.grammar.words import fold_ocr, letters
from ocr_ops.model import FieldSpec, Kind, Reading, Schema
from ocr_ops.readers.layout.labels import LabelMatch, LabelSet, labels_of
from ocr_ops.readers.layout.page import Cell, Page, Row

_OTHER = re.compile(
    r"(?<![a-z])(?:due|expir\w*|exp|valid|until|before|printed? on|print date|member since|birth|dob|effective|w\.?e\.?f|gultig|fallig\w*|bis|leistung\w*|liefer\w*|delivery|ship\w*|"
    r"bestell\w*|auftrag\w*|order|echeance|vervaldatum|vencimiento|scadenza|billing period|period|zeitraum|abrechnungszeitraum|since|von .{0,14} bis|du .{0,20} au|payable|pay by|return\w*|exchange|licen\w*|version|stand|as at|approved|promotion|till|"
    r"from|best|skonto|zahlbar|lieferschein\w*|ursprungsbeleg\w*|anlieferung)(?![a-z])"
)
_DISCOUNT = re.compile(r"skonto|early payment|escompte|cash discount")
_WEAK = re.compile(r"(?<![a-z])(?:closed|print|server|v\d)(?![a-z])")


@dataclass(frozen=True, slots=True)
class _Seen:
    date: PrintedDate
    cell: Cell
    row: Row
    left: str
    above: str
    place: float
    timed: bool


def read_dates(pages: Sequence[Page], schema: Schema, order: DateOrder) -> tuple[Reading, ...]:
    """Readings for all date fields: by label, and for the leading one by place where no label speaks."""
    fields = [f for f in schema.fields if f.kind is Kind.DATE and "*" not in f.path]
    if not fields:
        return ()
    labels = labels_of(fields)
    seen = [s for page in pages for row in page.rows for s in _row_dates(page, row, order, len(pages))]
    leading = next((f.path for f in fields if f.critical or f.required), fields[0].path)
    repeats = Counter(s.date.iso for s in seen)
    readings = []
    for field in fields:
        ranked = sorted(
            ((_score(s, field.path, labels, field.path == leading, repeats), -n) for n, s in enumerate(seen)),
            reverse=True,
        )
        if ranked and ranked[0][0] >= (0.3 if field.path == leading else 2.0):
            score, place = ranked[0]
            readings.append(_reading(field, seen[-place], score))
    return tuple(readings)


def _row_dates(page: Page, row: Row, order: DateOrder, pages: int) -> list[_Seen]:
    found = []
    for place, cell in enumerate(row.cells):
        for printed in find_dates(cell.text, order):
            left = " ".join(
                [*(c.text for c in row.cells[max(0, place - 2) : place]), cell.text[: printed.start]]
            )
            timed = bool(find_times(row.text))
            where = ((page.number - 1) + cell.middle / page.height) / pages
            found.append(_Seen(printed, cell, row, left.strip(), _above(page, row, cell), where, timed))
    if not found:
        found = _across(page, row, order, pages)
    return found


def _across(page: Page, row: Row, order: DateOrder, pages: int) -> list[_Seen]:
    """Dates whose parts were read as separate cells."""
    text = row.text
    where = ((page.number - 1) + row.cells[0].middle / page.height) / pages
    return [
        _Seen(p, row.cells[0], row, text[: p.start], "", where, bool(find_times(text)))
        for p in find_dates(text, order)
    ]


def _above(page: Page, row: Row, cell: Cell) -> str:
    place = row.index - page.rows[0].index
    for upper in reversed(page.rows[max(0, place - 2) : place]):
        for other in upper.cells:
            shared = min(other.x2, cell.x2) - max(other.x1, cell.x1)
            if shared > 0.3 * min(other.x2 - other.x1, cell.x2 - cell.x1) and letters(other.text) >= 3:
                return other.text if cell.y1 - other.y2 < 1.5 * page.line else ""
    return ""


def _score(seen: _Seen, path: str, labels: LabelSet, leading: bool, repeats: Counter[str]) -> float:
    score = 0.0
    beside = _label_words(seen.left)
    matched = labels.match(beside)
    mine, others = _mine(matched, path)
    if mine < 0.3 and (letters(beside) < 3 or seen.date.start <= 1):
        up, up_others = _mine(labels.match(seen.above), path)
        mine, others = max(mine, 0.8 * up), max(others, 0.8 * up_others)
        beside = seen.above if up or up_others else beside
    score += 4.0 * mine - 3.0 * (others > mine) * others
    score -= 1.5 * bool(_DISCOUNT.search(fold_ocr(seen.row.text)))
    other_words = bool(_OTHER.search(fold_ocr(beside)))
    if not leading:
        return score
    score += 1.0 + 0.6 * seen.timed + 0.3 * min(repeats[seen.date.iso] - 1, 3) - 0.8 * seen.place
    score -= 2.5 * (other_words and mine < 0.85) + 0.7 * bool(_WEAK.search(fold_ocr(beside)))
    score -= 1.2 * seen.date.compact + 0.3 * seen.date.short_year
    if len(seen.row.text) > 70:
        score -= 0.8
    return score


def _label_words(left: str) -> str:
    """The last words before a date: the label is near, not the whole sentence."""
    return " ".join(left.replace(":", " ").split()[-5:])


def _mine(matches: dict[str, LabelMatch], path: str) -> tuple[float, float]:
    mine = matches[path].score if path in matches else 0.0
    return mine, max((m.score for p, m in matches.items() if p != path), default=0.0)


def _reading(field: FieldSpec, seen: _Seen, score: float) -> Reading:
    confidence = 1 / (1 + math.exp(-(score - 1.0)))
    return Reading(field.path, seen.date.iso, seen.date.raw, (seen.cell.block,), round(confidence, 3))


def read_times(pages: Sequence[Page], schema: Schema, dates: Sequence[Reading]) -> tuple[Reading, ...]:
    """Readings for time fields: the time printed with the document's date, else one with a label."""
    fields = [f for f in schema.fields if f.kind is Kind.TIME and "*" not in f.path]
    labels = labels_of(fields)
    date_blocks = {b for r in dates for b in r.blocks}
    readings = []
    for field in fields:
        best: tuple[float, Reading] | None = None
        for page in pages:
            for row in page.rows:
                for score, reading in _row_times(row, field, labels, date_blocks):
                    if best is None or score > best[0]:
                        best = (score, reading)
        if best and best[0] >= 0.8:
            readings.append(best[1])
    return tuple(readings)


def _row_times(
    row: Row, field: FieldSpec, labels: LabelSet, date_blocks: set[str]
) -> list[tuple[float, Reading]]:
    found = []
    for place, cell in enumerate(row.cells):
        for printed in find_times(cell.text):
            left = " ".join(
                [*(c.text for c in row.cells[max(0, place - 1) : place]), cell.text[: printed.start]]
            )
            match = labels.match(_label_words(left)).get(field.path)
            score = (
                2.0 * (cell.block in date_blocks)
                + 1.0 * bool(date_blocks & set(row.blocks))
                + (match.score if match else 0.0)
            )
            found.append(
                (
                    score,
                    Reading(
                        field.path, printed.iso, printed.raw, (cell.block,), round(min(score / 3, 1.0), 3)
                    ),
                )
            )
    return found
