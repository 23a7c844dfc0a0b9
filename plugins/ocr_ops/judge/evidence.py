"""Where on paper a value stands: number-, date- and spelling-aware alignment against what was read. Pure.

In: the read pages and a value in schema form. Out: `Evidence`. A model's or a reader's own claim only decides
between several places where the value really stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from rapidfuzz import fuzz

from ocr_ops.grammar.currency import currency_of, guess_currency
from ocr_ops.grammar.dates import DateOrder, date_order, find_dates, find_times
from ocr_ops.grammar.numbers import Amount, DecimalMark, decimal_mark, find_amounts, find_measured
from ocr_ops.grammar.words import fold
from ocr_ops.judge.money import find_money, writes_whole
from ocr_ops.model import Evidence, GridBox, Kind, Match, ReadPage
from ocr_ops.segments import Segment, segments_of

FUZZY_AT_LEAST = 90.0
"""rapidfuzz partial ratio (0..100) of squeezed texts from which a spelling counts as the same with damage."""

NUMBERS = frozenset({Kind.MONEY, Kind.QUANTITY, Kind.RATE})
_DIGIT = re.compile(r"\d")

CODES = frozenset({Kind.IDENTIFIER, Kind.TAX_ID, Kind.IBAN})


@dataclass(frozen=True, slots=True)
class Place:
    """One segment of one page that shows the value."""

    page: int
    block: str
    raw: str
    match: Match
    row: float
    """Vertical centre on the grid, to tell two printed lines apart."""
    box: GridBox
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A document's segments with what decides how its numbers and dates are meant."""

    segments: tuple[tuple[int, Segment], ...]
    mark: DecimalMark
    order: DateOrder
    currency: str | None
    whole: bool
    """Money is written without cents."""
    spelled: tuple[str, ...]
    """The segments' letters and digits."""
    index: dict[Kind, dict[Any, list[int]]] = field(default_factory=dict, compare=False, repr=False)
    """Which segments show a value of a kind; made when the first value of that kind is looked up."""


def paper_of(pages: Sequence[ReadPage]) -> Paper:
    """Lay out what was read for searching."""
    segments = tuple((page.image.number, segment) for page in pages for segment in segments_of(page.blocks))
    texts = [segment.text for _, segment in segments]
    mark = decimal_mark(texts)
    whole, spelled = writes_whole(texts, mark), tuple(map(squeezed, texts))
    return Paper(segments, mark, date_order(texts), guess_currency(texts), whole, spelled)


def numbers_in(paper: Paper, kind: Kind, text: str) -> tuple[Amount, ...]:
    """Every number in a text that can be a value of this kind."""
    return _numbers_in(text, paper.mark, paper.whole, kind)


def _numbers_in(text: str, mark: DecimalMark, whole: bool, kind: Kind) -> tuple[Amount, ...]:
    if kind is Kind.MONEY:
        return find_money(text, mark, whole=whole)
    found = find_amounts(text, mark)
    if kind is Kind.QUANTITY:
        return (*(amount for amount in found if not amount.percent), *find_measured(text))
    return found


def places_of(paper: Paper, kind: Kind, value: str) -> tuple[Place, ...]:
    """Every single segment that shows the value, in reading order."""
    return tuple(
        Place(
            page=page,
            block=segment.block_id,
            raw=segment.text,
            match=_match(value, segment),
            row=(segment.box.y1 + segment.box.y2) / 2,
            box=segment.box,
            score=segment.score,
        )
        for page, segment in map(paper.segments.__getitem__, _showing(paper, kind, value))
    )


def _match(value: str, segment: Segment) -> Match:
    return Match.EXACT if value in segment.text else Match.NORMALISED


def find_evidence(paper: Paper, field: str, kind: Kind, value: str, claimed: Sequence[str] = ()) -> Evidence:
    """Point at the value on paper; `Match.NOT_FOUND` when it does not stand there."""
    showing = [paper.segments[n] for n in _showing(paper, kind, value)]
    if showing:
        asserted = next((one for one in showing if one[1].block_id in claimed), None)
        page, segment = asserted or showing[0]
        return Evidence(field, _match(value, segment), page, (segment.block_id,), segment.text[:300])
    if kind in (Kind.TEXT, Kind.ADDRESS):
        return _across_segments(paper, field, value, claimed)
    return Evidence(field, Match.NOT_FOUND)


def _showing(paper: Paper, kind: Kind, value: str) -> Sequence[int]:
    """The segments that show a value, by their places in reading order."""
    if kind in NUMBERS:
        try:
            return _indexed(paper, kind).get(Decimal(value), ())
        except InvalidOperation:
            return ()
    if kind in (Kind.DATE, Kind.CURRENCY):
        return _indexed(paper, kind).get(value, ())
    if kind is Kind.TIME:
        times = _indexed(paper, kind).items()
        return sorted({n for iso, places in times if iso.startswith(value) for n in places})
    wanted = squeezed(value)
    return [n for n, text in enumerate(paper.spelled) if wanted in text] if len(wanted) > 1 else ()


def _indexed(paper: Paper, kind: Kind) -> dict[Any, list[int]]:
    known = paper.index.get(kind)
    if known is None:
        known = paper.index[kind] = {}
        for n, (_, segment) in enumerate(paper.segments):
            if kind is not Kind.CURRENCY and not _DIGIT.search(segment.text):
                continue  # every other kind that is looked up here is written with digits
            for value in _values_in(paper, kind, segment.text):
                known.setdefault(value, []).append(n)
    return known


def _values_in(paper: Paper, kind: Kind, text: str) -> set[Any]:
    """Every value of a kind that a text shows, each once."""
    if kind in NUMBERS:
        return {amount.value for amount in numbers_in(paper, kind, text)}
    if kind is Kind.DATE:
        return {day.iso for day in find_dates(text, paper.order)}
    return {time.iso for time in find_times(text)} if kind is Kind.TIME else {currency_of(text)}


def squeezed(text: str) -> str:
    """Letters and digits only, lower case, no accents: what spelling comparisons look at."""
    return fold(text).replace(" ", "")


def _across_segments(paper: Paper, field: str, value: str, claimed: Sequence[str]) -> Evidence:
    """A name or an address that runs over several segments."""
    wanted = squeezed(value)
    parts = [(page, segment) for page, segment in paper.segments if _is_part(segment, wanted, claimed)]
    if not parts or not wanted:
        return Evidence(field, Match.NOT_FOUND)
    joined = "".join(squeezed(segment.text) for _, segment in parts)
    ratio = fuzz.partial_ratio(wanted, joined) if len(joined) >= len(wanted) else fuzz.ratio(wanted, joined)
    if ratio < FUZZY_AT_LEAST:
        return Evidence(field, Match.NOT_FOUND)
    match = Match.NORMALISED if wanted in joined else Match.FUZZY
    blocks = tuple(dict.fromkeys(segment.block_id for _, segment in parts))
    return Evidence(field, match, parts[0][0], blocks, " ".join(segment.text for _, segment in parts)[:300])


def _is_part(segment: Segment, wanted: str, claimed: Sequence[str]) -> bool:
    if claimed:
        return segment.block_id in claimed
    part = squeezed(segment.text)
    return len(part) > 2 and (
        part in wanted or (len(part) > 5 and fuzz.partial_ratio(part, wanted) >= FUZZY_AT_LEAST)
    )
