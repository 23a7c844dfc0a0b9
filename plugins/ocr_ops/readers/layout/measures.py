"""Labelled amounts, quantities and times of documents that list them one under another, such as a meter's printout.

In: laid-out pages, the schema's fields of those kinds outside tables, the decimal mark. Out: `Reading`s. Labels and
values may have slipped by up to a line against each other, as pre-printed labels and a meter's print do: within a
cell a value belongs to the words before it; the rest is paired in vertical order, kind with kind, at the least distance.
Fields of different kinds may share their label: the first of them owns it, the others are read only beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from ocr_ops.grammar.dates import find_dates, find_times
from ocr_ops.grammar.numbers import DecimalMark, find_amounts, find_measured, tidy
from ocr_ops.model import FieldSpec, Kind, Reading, Schema
from ocr_ops.readers.layout.labels import LabelSet, labels_of
from ocr_ops.readers.layout.page import Cell, Page
from ocr_ops.readers.layout.totals import sum_parts

KINDS = frozenset({Kind.MONEY, Kind.QUANTITY, Kind.TIME})
_SURE_LABEL = 0.6
_FARTHEST = 1.6
"""Lines between a label and its value, from middle to middle."""
_MOST = 80
"""Labels or values of a page beyond which it is no list of a few measures."""
FEWEST = 3
"""Measures from which a document is one that lists them."""
_SCORE_BESIDE, _SCORE_SLIPPED = 0.85, 0.6
_TIME, _MONEY, _QUANTITY = (frozenset({kind}) for kind in (Kind.TIME, Kind.MONEY, Kind.QUANTITY))


@dataclass(frozen=True, slots=True)
class _Value:
    kinds: frozenset[Kind]
    text: str
    raw: str
    cell: Cell
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Label:
    field: FieldSpec
    cell: Cell


def read_measures(pages: Sequence[Page], schema: Schema, mark: DecimalMark) -> tuple[Reading, ...]:
    """Readings for labelled amounts, quantities and times outside tables.

    Empty where the type adds its amounts up (its totals have places and words of their own), or where the pages hold
    too few of them to be such a list.
    """
    if sum_parts(schema) is not None:
        return ()
    fields = {f.path: f for f in schema.fields if f.kind in KINDS and "*" not in f.path and f.labels}
    labels = labels_of(fields.values())
    found: dict[str, Reading] = {}
    for page in pages:
        loose_labels: list[_Label] = []
        loose_values: list[_Value] = []
        for cell in sorted((cell for row in page.rows for cell in row.cells), key=lambda c: c.middle):
            paired, named, unnamed = _within(cell, fields, labels, mark)
            for label, value in paired:
                found.setdefault(label.field.path, _reading(label, value, _SCORE_BESIDE))
            loose_labels += named
            loose_values += unnamed
        open_labels = [label for label in loose_labels if label.field.path not in found]
        for label, value in _in_order(open_labels[:_MOST], loose_values[:_MOST], _FARTHEST * page.line):
            found.setdefault(label.field.path, _reading(label, value, _SCORE_SLIPPED))
    return tuple(found.values()) if len(found) >= FEWEST else ()


def _within(
    cell: Cell, fields: dict[str, FieldSpec], labels: LabelSet, mark: DecimalMark
) -> tuple[list[tuple[_Label, _Value]], list[_Label], list[_Value]]:
    """Pairs within one cell, then its labels and values that found no partner there."""
    paired: list[tuple[_Label, _Value]] = []
    owners: list[_Label] = []
    last: list[_Label] = []
    open_values: list[_Value] = []
    place, text = 0, tidy(cell.text)
    for value in (*_values(text, cell, mark), None):
        words = text[place : value.start] if value else text[place:]
        if named := _labels(words, cell, fields, labels):
            last = named
            owners.append(named[0])
        if value is None:
            break
        place = value.end
        partner = next((label for label in last if label.field.kind in value.kinds), None)
        if partner is not None:
            paired.append((partner, value))
            last.remove(partner)
        else:
            open_values.append(value)
    taken = {label.field.path for label, _ in paired}
    return paired, [label for label in owners if label.field.path not in taken], open_values


def _labels(words: str, cell: Cell, fields: dict[str, FieldSpec], labels: LabelSet) -> list[_Label]:
    """The fields that words name best; more than one where fields share a label, its owner first."""
    matches = labels.match(words)
    best = max((match.score for match in matches.values()), default=0.0)
    if best < _SURE_LABEL:
        return []
    return [
        _Label(field, cell)
        for path, field in fields.items()
        if path in matches and matches[path].score == best
    ]


def _values(text: str, cell: Cell, mark: DecimalMark) -> list[_Value]:
    """Times, measures and amounts of a cell from left to right; nothing is two of them."""
    found = [_Value(_TIME, t.iso, t.raw, cell, t.start, t.end) for t in find_times(text)]
    taken = [(d.start, d.end) for d in find_dates(text)]
    found += [_Value(_QUANTITY, m.text, m.raw, cell, m.start, m.end) for m in find_measured(text)]
    for amount in find_amounts(text, mark):
        kinds = _MONEY if amount.currency else _MONEY | _QUANTITY
        found.append(_Value(kinds, amount.text, amount.raw, cell, amount.start, amount.end))
    kept: list[_Value] = []
    for value in found:
        if all(value.end <= start or value.start >= end for start, end in taken):
            kept.append(value)
            taken.append((value.start, value.end))
    return sorted(kept, key=lambda value: value.start)


def _in_order(
    labels: Sequence[_Label], values: Sequence[_Value], farthest: float
) -> Iterable[tuple[_Label, _Value]]:
    """The most pairs that do not cross, at the least distance in all."""

    @cache
    def best(i: int, j: int) -> tuple[int, float, tuple[tuple[int, int], ...]]:
        if i == len(labels) or j == len(values):
            return 0, 0.0, ()
        ways = [best(i + 1, j), best(i, j + 1)]
        gap = abs(labels[i].cell.middle - values[j].cell.middle)
        if labels[i].field.kind in values[j].kinds and gap <= farthest:
            count, cost, pairs = best(i + 1, j + 1)
            ways.append((count - 1, cost + gap, ((i, j), *pairs)))
        return min(ways)

    return [(labels[i], values[j]) for i, j in best(0, 0)[2]]


def _reading(label: _Label, value: _Value, score: float) -> Reading:
    blocks = tuple(dict.fromkeys((value.cell.block, label.cell.block)))
    return Reading(label.field.path, value.text, value.raw, blocks, score)
