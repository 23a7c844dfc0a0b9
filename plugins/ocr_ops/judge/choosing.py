"""Readings of all readers -> for every field the one that goes first, and what competes with it. Pure.

Only values that stand on paper take part. The language model corrects what others read and says neither where it saw a value nor
how sure it is: a correction stands behind the value it corrects until a rule of the document asks for it, or the other value is
more likely wrong than right (`decide`). Where nothing stands against it, it counts like any other reading, but for one thing: a print
that another field rests on is no evidence for a second one, or a total repeated as its own subtotal would confirm itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from rapidfuzz import fuzz

from ocr_ops.judge.evidence import CODES, FUZZY_AT_LEAST, NUMBERS, Paper, find_evidence, places_of, squeezed
from ocr_ops.judge.rules import check_rules
from ocr_ops.model import Candidate, Evidence, FieldSpec, Kind, Match, Reading, RuleResult, Schema

CORRECTOR = "llm"
"""Name of the reader whose values are corrections."""

DERIVED = frozenset({Kind.CURRENCY})
"""Kinds that may be concluded from the document as a whole (a country, a tax id) without standing in one place."""

COUNTED = frozenset({Kind.MONEY, Kind.DATE}) | CODES
"""Kinds of which two fields seldom share one print."""

_UNBROKEN = (0, -1)
"""Less than this may rows not be confirmed that nobody else read: no sum over them is broken, and within them hardly a product."""

Unseen = list[tuple[FieldSpec, list[tuple[str, Reading]]]]
"""Fields of which no value stands on paper, with what each reader proposed."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The reading that won for one field, with its evidence, the readers that proposed it, and what else was proposed."""

    reading: Reading
    evidence: Evidence
    readers: tuple[str, ...]
    rivals: tuple[Chosen, ...] = ()


def choose(schema: Schema, candidates: Sequence[Candidate], paper: Paper) -> tuple[dict[str, Chosen], Unseen]:
    """The values that go first, by pointer, and the fields of which nothing stands on paper; candidates in the order of trust."""
    specs = {spec.path: spec for spec in schema.fields}
    chosen: dict[str, Chosen] = {}
    unseen: Unseen = []
    by_path: dict[str, list[tuple[str, Reading]]] = {}
    for candidate in candidates:
        for reading in candidate.readings:
            if reading.path in specs:
                by_path.setdefault(reading.path, []).append((candidate.reader, reading))
    for path, readings in by_path.items():
        one = _settle(specs[path], readings, paper)
        if one is None:
            unseen.append((specs[path], readings))
        else:
            chosen[path] = one
    chosen = _one_print_each(specs, chosen, paper)
    return chosen | _choose_rows(schema, chosen, candidates, paper), unseen


def is_correction(one: Chosen) -> bool:
    """Whether the language model alone proposes this value."""
    return set(one.readers) == {CORRECTOR}


def found_by(spec: FieldSpec, one: Chosen) -> int:
    """How many readers found a value by themselves: the language model is told what others read, except of critical fields."""
    readers = set(one.readers)
    return len(readers if spec.critical else readers - {CORRECTOR}) or 1


def pattern_of(path: str) -> str:
    """The schema's form of a concrete pointer: "/line_items/3/quantity" -> "/line_items/*/quantity"."""
    return "/".join("*" if part.isdigit() else part for part in path.split("/"))


def same_value(kind: Kind, one: str, other: str) -> bool:
    """Whether two readings mean the same: numbers by value, spellings by letters and digits."""
    if one == other:
        return True
    if kind in NUMBERS:
        try:
            return Decimal(one) == Decimal(other)
        except InvalidOperation:
            return False
    return squeezed(one) == squeezed(other) if kind in CODES | {Kind.TEXT, Kind.ADDRESS} else False


def values_of(chosen: Mapping[str, Chosen]) -> dict[str, str]:
    """The chosen values by pointer."""
    return {path: one.reading.value for path, one in chosen.items()}


def _settle(spec: FieldSpec, readings: list[tuple[str, Reading]], paper: Paper) -> Chosen | None:
    evidenced = []
    for reader, reading in readings:
        evidence = find_evidence(paper, reading.path, spec.kind, reading.value, reading.blocks)
        if evidence.match is not Match.NOT_FOUND or spec.kind in DERIVED:
            evidenced.append((reader, reading, evidence))
    if not evidenced:
        return None
    groups: list[list[tuple[str, Reading, Evidence]]] = []
    for one in reversed(evidenced):
        same = next((g for g in groups if _means_the_same(spec, one, g)), None)
        if same is None:
            groups.append([one])
        else:
            same.append(one)
    found = [_agreed(group) for group in groups]
    first, *others = sorted(found, key=lambda one: (not _fills_its_line(spec, one), is_correction(one)))
    return replace(first, rivals=tuple(others))


def _means_the_same(
    spec: FieldSpec, one: tuple[str, Reading, Evidence], group: Sequence[tuple[str, Reading, Evidence]]
) -> bool:
    """Whether two readings agree; words of the language model that differ by a letter or two are no correction, but damage."""
    value, other = one[1].value, group[0][1].value
    if same_value(spec.kind, value, other):
        return True
    corrects = CORRECTOR in {one[0], *(reader for reader, _, _ in group)}
    alike = corrects and spec.kind in (Kind.TEXT, Kind.ADDRESS)
    return alike and fuzz.ratio(squeezed(value), squeezed(other)) >= FUZZY_AT_LEAST


def _one_print_each(
    specs: Mapping[str, FieldSpec], chosen: Mapping[str, Chosen], paper: Paper
) -> dict[str, Chosen]:
    """Without what the language model alone filled in from prints that other fields already rest on."""
    kept = {path: one for path, one in chosen.items() if not _is_filled_in(specs[path], one)}
    for path, one in chosen.items():
        if path in kept:
            continue
        kind, value = specs[path].kind, one.reading.value
        if _resting_on(kind, value, kept, specs) < len(places_of(paper, kind, value)):
            kept[path] = one
    return kept


def _is_filled_in(spec: FieldSpec, one: Chosen) -> bool:
    return is_correction(one) and not one.rivals and spec.kind in COUNTED


def _resting_on(kind: Kind, value: str, chosen: Mapping[str, Chosen], specs: Mapping[str, FieldSpec]) -> int:
    """How many fields have this very value."""
    alike = (one for path, one in chosen.items() if specs[path].kind is kind)
    return sum(same_value(kind, one.reading.value, value) for one in alike)


def _fills_its_line(spec: FieldSpec, one: Chosen) -> bool:
    """Whether words are what their line says, rather than some words of a sentence: names are not told in sentences."""
    if spec.kind is not Kind.TEXT:
        return True
    return 2 * len(squeezed(one.reading.value)) >= len(squeezed(one.evidence.raw))


def _agreed(agreeing: Sequence[tuple[str, Reading, Evidence]]) -> Chosen:
    """One value and all who proposed it; in the words of whoever was surest."""
    best = max((reading for _, reading, _ in agreeing), key=lambda reading: reading.score)
    placed = next((evidence for _, reading, evidence in agreeing if reading.blocks), agreeing[0][2])
    return Chosen(best, placed, tuple(reader for reader, _, _ in agreeing))


def _choose_rows(
    schema: Schema, header: Mapping[str, Chosen], candidates: Sequence[Candidate], paper: Paper
) -> dict[str, Chosen]:
    """Rows come from one reader as a whole: the one with the most cells on paper, the later one on a tie.

    Rows of the language model replace others only where the document's sums and products say so, and fill in only what breaks none.
    """
    best: dict[str, Chosen] = {}
    for candidate in candidates:
        rows = _rows_on_paper(schema, candidate, paper)
        if candidate.reader == CORRECTOR:
            rows = _with_prints_of_their_own(schema, header, rows, paper)
        if candidate.reader == CORRECTOR:
            kept = _confirmed(schema, header, best) if best else _UNBROKEN
            takes_over = _confirmed(schema, header, rows) > kept
        else:
            takes_over = len(rows) >= len(best)
        best = rows if takes_over else best
    return best


def _rows_on_paper(schema: Schema, candidate: Candidate, paper: Paper) -> dict[str, Chosen]:
    specs = {spec.path: spec for spec in schema.fields if "*" in spec.path}
    rows = {}
    for reading in candidate.readings:
        spec = specs.get(pattern_of(reading.path))
        if spec is None:
            continue
        evidence = find_evidence(paper, reading.path, spec.kind, reading.value, reading.blocks)
        if evidence.match is not Match.NOT_FOUND:
            rows[reading.path] = Chosen(reading, evidence, (candidate.reader,))
    return rows


def _with_prints_of_their_own(
    schema: Schema, header: Mapping[str, Chosen], rows: Mapping[str, Chosen], paper: Paper
) -> dict[str, Chosen]:
    """Rows without amounts whose prints are taken by the document's totals or by rows above."""
    specs = {spec.path: spec for spec in schema.fields}
    kept: dict[str, Chosen] = {}
    above: Counter[tuple[str, Decimal]] = Counter()
    for path, one in rows.items():
        column, value = pattern_of(path), one.reading.value
        if specs[column].kind is Kind.MONEY:
            taken = _resting_on(Kind.MONEY, value, header, specs) + above[column, Decimal(value)]
            if taken >= len(places_of(paper, Kind.MONEY, value)):
                continue
            above[column, Decimal(value)] += 1
        kept[path] = one
    return kept


def _confirmed(schema: Schema, header: Mapping[str, Chosen], rows: Mapping[str, Chosen]) -> tuple[int, int]:
    """How far rules speak for rows: those that add rows up first, then those within a row; broken ones count against them."""
    results = [
        one for one in check_rules(schema, values_of({**header, **rows})) if set(one.fields) & set(rows)
    ]
    across = [one for one in results if not all(path in rows for path in one.fields)]
    within = [one for one in results if all(path in rows for path in one.fields)]
    return _balance(across), _balance(within)


def _balance(results: Iterable[RuleResult]) -> int:
    return sum((one.holds is True) - (one.holds is False) for one in results)
