"""Identifiers, tax ids, IBANs and words that stand beside or under their label.

In: laid-out pages and the schema's fields of those kinds. Out: `Reading`s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ocr_ops.grammar.dates import find_dates
from ocr_ops.grammar.identifiers import Identifier, find_iban, find_identifiers, find_tax_id
from ocr_ops.grammar.words import digits, fold_ocr, letters, squeeze
from ocr_ops.model import FieldSpec, Kind, Reading, Schema
from ocr_ops.readers.layout.labels import LabelMatch, LabelSet
from ocr_ops.readers.layout.page import Cell, Page, Row

_LABELLED = (Kind.IDENTIFIER, Kind.TAX_ID, Kind.IBAN)
_MIN_MATCH = 0.55
_FEWEST_DIGITS = 7
"""Digits of a tax id or an IBAN that no label names."""


@dataclass(frozen=True, slots=True)
class _Offer:
    score: float
    value: Identifier
    blocks: tuple[str, ...]


_LABEL_END = re.compile(r"[:#№]|(?=\d)|(?<=\s)(?=[A-Z]{1,4}-?\d)|(?<=[a-z])(?=[A-Z]{1,4}-?\d)")


def read_identifiers(pages: Sequence[Page], schema: Schema, labels: LabelSet) -> tuple[Reading, ...]:
    """Readings for all labelled identifiers outside tables."""
    fields = [f for f in schema.fields if f.kind in _LABELLED and "*" not in f.path]
    readings: list[Reading] = []
    taken: set[str] = set()
    named = _named_rows(pages, labels) if fields else []
    for field in fields:
        offers = [
            o
            for page, row, paths in named
            if field.path in paths
            for o in _row_offers(page, row, field, labels)
        ]
        if field.kind is Kind.IDENTIFIER and field.critical:
            words = tuple(
                {squeeze(t) for texts in field.labels.values() for t in texts if 6 < len(squeeze(t)) < 13}
            )
            offers += [o for page in pages for row in page.rows for o in _marked_offers(row, field, words)]
        offers += _unlabelled(pages, field)
        best = max((o for o in offers if o.value.text not in taken), key=lambda o: o.score, default=None)
        if best:
            taken.add(best.value.text)
            readings.append(
                Reading(
                    field.path, best.value.text, best.value.raw, best.blocks, round(min(best.score, 1.0), 3)
                )
            )
    return tuple(readings)


def _named_rows(pages: Sequence[Page], labels: LabelSet) -> list[tuple[Page, Row, set[str]]]:
    """The lines that name fields, with the fields' paths."""
    rows = (
        (page, row, {path for cell in row.cells for path in labels.match(_head(cell.text) or cell.text)})
        for page in pages
        for row in page.rows
    )
    return [one for one in rows if one[2]]


def _row_offers(page: Page, row: Row, field: FieldSpec, labels: LabelSet) -> list[_Offer]:
    offers: list[_Offer] = []
    for place, cell in enumerate(row.cells):
        match, rest = _label_in(cell.text, field.path, labels)
        if match is None:
            continue
        early = 0.05 * (1 - cell.middle / page.height) - 0.05 * (page.number - 1)
        for penalty, text, blocks in _places(page, row, place, rest):
            value = _value_of(field, text)
            if value:
                year = 0.3 * bool(re.fullmatch(r"(?:19|20)\d\d", value.text))
                offers.append(_Offer(match.score - penalty - year + early, value, blocks))
                break
    return offers


_MARK = re.compile(r"(?:nr|no|n°|number)\b", re.IGNORECASE)
_GLUED_MARK = re.compile(r"(?<=\w)\)?\.?(?=Nr\.)")
_MARKED = re.compile(
    r"(?P<head>[^\W\d][^:]{2,50}?)\s(?:nr|no|n°|number)\b\.?\s*[:#]?\s*(?P<value>(?=\S*\d)[\w][\w./\-]{1,40})",
    re.IGNORECASE,
)


def _marked_offers(row: Row, field: FieldSpec, words: tuple[str, ...]) -> list[_Offer]:
    """ "Handelsrechnung (380) Nr. 4711": a compound of the label, then "Nr." standing alone."""
    if not _MARK.search(row.text):
        return []
    found = _MARKED.search(_GLUED_MARK.sub(" ", row.text))
    if not found or not any(w in squeeze(found["head"]) for w in words):
        return []
    value = _number_at_start(found["value"])
    return [_Offer(0.72, value, row.blocks[:2])] if value else []


def _label_in(text: str, path: str, labels: LabelSet) -> tuple[LabelMatch | None, str]:
    """The field's label in a cell, and the text after it."""
    head = _head(text)
    matches = labels.match(head or text)
    mine = matches.get(path)
    if mine is None or mine.score < _MIN_MATCH:
        return None, ""
    if any(m.score > mine.score + 0.01 for p, m in matches.items() if p != path):
        return None, ""
    return mine, _after(text, mine, head)


@lru_cache(maxsize=8192)
def _head(text: str) -> str:
    """What stands before a colon, a sign for "number" or the first digit."""
    return _LABEL_END.split(text, maxsplit=1)[0]


def _after(text: str, match: LabelMatch, head: str) -> str:
    folded_size = len(fold_ocr(head))
    if match.end >= folded_size - 1:
        return text[len(head) :].lstrip(" :.#№=-")
    share = match.end / max(folded_size, 1)
    return text[int(len(head) * share) :].lstrip(" :.#№=-")


def _places(page: Page, row: Row, place: int, rest: str) -> list[tuple[float, str, tuple[str, ...]]]:
    """Where a value may stand, best place first: same cell, cells to the right, cell below."""
    cell = row.cells[place]
    found: list[tuple[float, str, tuple[str, ...]]] = []
    if rest.strip():
        found.append((0.0, rest, (cell.block,)))
    for other in row.cells[place + 1 : place + 3]:
        if other.x1 - cell.x2 < 0.5 * page.width:
            found.append((0.05, other.text.lstrip(" :.#"), tuple(dict.fromkeys((cell.block, other.block)))))
    below = _below(page, row, cell)
    if below:
        found.append((0.15, below.text.lstrip(" :.#"), (cell.block, below.block)))
    return found


def _below(page: Page, row: Row, cell: Cell) -> Cell | None:
    place = row.index - page.rows[0].index
    for lower in page.rows[place + 1 : place + 3]:
        for other in lower.cells:
            shared = min(other.x2, cell.x2) - max(other.x1, cell.x1)
            if (
                shared > 0.3 * min(other.x2 - other.x1, cell.x2 - cell.x1)
                and other.y1 - cell.y2 < 1.5 * page.line
            ):
                return other
    return None


def _value_of(field: FieldSpec, text: str) -> Identifier | None:
    if field.kind is Kind.IBAN:
        return find_iban(text)
    if field.kind is Kind.TAX_ID:
        return find_tax_id(text, labelled=True)
    return _number_at_start(text)


_NUMBER_WORD = re.compile(r"^(?:(?:no|nr|num|number|nummer|n)\b[.:°]?|[°#№:.])\s*", re.IGNORECASE)


def _number_at_start(text: str) -> Identifier | None:
    text = _NUMBER_WORD.sub("", text.strip())
    dates = find_dates(text)
    for value in find_identifiers(text)[:1]:
        inside_date = any(
            d.start <= value.start < d.end and len(value.text) <= d.end - d.start + 1 for d in dates
        )
        if (
            value.start <= 3
            and not inside_date
            and digits(value.text) >= 1
            and len(re.sub(r"\W", "", value.text)) >= 3
        ):
            return value
    return None


def _unlabelled(pages: Sequence[Page], field: FieldSpec) -> list[_Offer]:
    """IBANs speak for themselves; so does a seller's VAT number of a known shape."""
    finder: Callable[[str], Identifier | None] | None = None
    if field.kind is Kind.IBAN:
        finder = find_iban
    elif field.kind is Kind.TAX_ID and "buyer" not in field.path:
        finder = find_tax_id
    if finder is None:
        return []
    offers = []
    for page in pages:
        for row in page.rows:
            for cell in row.cells:
                value = finder(cell.text) if digits(cell.text) >= _FEWEST_DIGITS else None
                if value and digits(value.text) >= _FEWEST_DIGITS:
                    offers.append(_Offer(0.3, value, (cell.block,)))
    return offers


def read_words(pages: Sequence[Page], schema: Schema, labels: LabelSet) -> tuple[Reading, ...]:
    """Readings for labelled text fields without a role: the words to the right, or the label itself beside an amount."""
    fields = [f for f in schema.fields if f.kind is Kind.TEXT and not f.role and "*" not in f.path]
    readings = []
    named = _named_rows(pages, labels) if fields else []
    for field in fields:
        offers = [
            o for _, row, paths in named if field.path in paths for o in _word_offers(row, field, labels)
        ]
        best = max(offers, key=lambda r: r.score, default=None)
        if best:
            readings.append(best)
    return tuple(readings)


def _word_offers(row: Row, field: FieldSpec, labels: LabelSet) -> list[Reading]:
    found = []
    for place, cell in enumerate(row.cells):
        match, rest = _label_in(cell.text, field.path, labels)
        if match is None or match.score < 0.8:
            continue
        right = row.cells[place + 1].text if place + 1 < len(row.cells) else ""
        value = next((t.strip(" :.-") for t in (rest, right) if letters(t) >= 3 and not find_dates(t)), "")
        text = value if value and digits(value) <= letters(value) else cell.text.split(":")[0].strip(" :.-")
        if letters(text) >= 2 and len(text) <= 60:
            found.append(Reading(field.path, text, text, (cell.block,), round(match.score * 0.8, 3)))
    return found
