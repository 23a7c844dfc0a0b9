"""One outcome against its truth -> what was right, field by field. Pure.

In: a case, the judged record with its pages, where words stand. Out: `DocumentScore`, plain values that reports add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocr_ops.codec import digest_of
from ocr_ops.evaluate.compare import matched_items, same
from ocr_ops.evaluate.dataset import Case, TrueBoxes
from ocr_ops.geometry import around
from ocr_ops.judge.evidence import paper_of, places_of
from ocr_ops.model import (
    Evidence,
    FieldSpec,
    GridBox,
    Kind,
    PageImage,
    PixelSize,
    Problem,
    ReadPage,
    Record,
    Schema,
    Status,
)

ENOUGH_OVERLAP = 0.5
"""Intersection over union from which two boxes are the same place."""


@dataclass(frozen=True, slots=True)
class FieldScore:
    """One scored field. `well_placed`: whether its evidence lies where the truth stands; None where that is not known."""

    name: str
    truth: str
    value: str | None
    right: bool
    critical: bool
    probability: float | None = None
    well_placed: bool | None = None

    @property
    def wrong(self) -> bool:
        """Whether a value was given and is not the truth: what must never be accepted."""
        return self.value is not None and not self.right


@dataclass(frozen=True, slots=True)
class LineScore:
    """Line items of one document: rows right in every labelled cell, rows right in their line total, rows in truth, rows found."""

    right: int
    totals_right: int
    true: int
    found: int


@dataclass(frozen=True, slots=True)
class DocumentScore:
    """One scored document. `read_s` is what reading its pages took when they were read, now or in an earlier run."""

    id: str
    source: str
    doc_type: str
    judged_type: str | None
    status: Status
    fields: tuple[FieldScore, ...]
    lines: LineScore | None = None
    pages: int = 0
    pages_lost: int = 0
    read_s: float = 0.0
    other_s: float = 0.0
    tokens: tuple[int, int] = (0, 0)
    problems: tuple[Problem, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether nobody would have looked at it."""
        return self.status is Status.ACCEPTED

    @property
    def wrong_critical(self) -> tuple[str, ...]:
        """Critical fields with a wrong value; a document taken for another type is wrong as a whole."""
        wrong = tuple(field.name for field in self.fields if field.critical and field.wrong)
        return (*wrong, "doc_type") if self.judged_type not in (None, self.doc_type) else wrong

    @property
    def whole(self) -> bool:
        """Whether every scored field is right."""
        return all(field.right for field in self.fields)

    @property
    def confidence(self) -> float:
        """The least probability among its critical fields; 0 where one was not found."""
        known = [field.probability or 0.0 for field in self.fields if field.critical]
        return min(known, default=0.0)


def score_fields(
    case: Case,
    schema: Schema,
    record: Record | None,
    pages: Sequence[ReadPage] = (),
    boxes: TrueBoxes | None = None,
) -> tuple[FieldScore, ...]:
    """Every labelled field of one document."""
    specs = {spec.path.strip("/"): spec for spec in schema.fields if "*" not in spec.path}
    values = record.values if record else {}
    evidence = {one.field: one for one in (record.evidence if record else ())}
    scores = []
    for name, truth in case.truth.items():
        spec = specs.get(name, FieldSpec(f"/{name}", Kind.TEXT))
        found, value = evidence.get(spec.path), values.get(name)
        right = same(spec.kind, truth, value, contains=name in case.contains)
        placed = well_placed(spec, truth, found, pages, boxes) if right and boxes else None
        probability = found.probability if found else None
        scores.append(FieldScore(name, truth, value, right, spec.critical, probability, placed))
    return tuple(scores)


def score_lines(case: Case, schema: Schema, record: Record | None) -> LineScore | None:
    """The line items of one document; None where they were not labelled."""
    if case.line_items is None:
        return None
    kinds = {
        spec.path.rsplit("/", 1)[1]: spec.kind
        for spec in schema.fields
        if spec.path.startswith("/line_items/")
    }
    found: Sequence[dict[str, Any]] = record.values.get("line_items", ()) if record else ()
    totals = [{"line_total": item["line_total"]} for item in case.line_items if "line_total" in item]
    return LineScore(
        right=matched_items(kinds, case.line_items, found),
        totals_right=matched_items(kinds, totals, found),
        true=len(case.line_items),
        found=len(found),
    )


def well_placed(
    spec: FieldSpec, truth: str, evidence: Evidence | None, pages: Sequence[ReadPage], boxes: TrueBoxes
) -> bool | None:
    """Whether the evidence of a right value lies on a place where the truth stands; None where that cannot be said.

    The same place: the centre of the evidence lies in the true box, or the two overlap by half of what they cover.
    """
    mine = _evidence_box(evidence, pages)
    true = boxes.fields.get(spec.path) or _places(boxes, spec.kind, truth)
    return any(_same_place(mine, box) for box in true) if mine is not None and true else None


def _evidence_box(evidence: Evidence | None, pages: Sequence[ReadPage]) -> GridBox | None:
    if evidence is None or len(pages) != 1 or pages[0].image.turn:
        return None
    boxes = tuple(box for block in pages[0].blocks if block.id in evidence.blocks for box in block.boxes)
    return around(boxes) if boxes else None


def _places(boxes: TrueBoxes, kind: Kind, truth: str) -> tuple[GridBox, ...]:
    paper = paper_of((ReadPage(_NO_PICTURE, (), boxes.lines),))
    shown = {place.block for place in places_of(paper, kind, truth)}
    return tuple(block.boxes[0] for block in boxes.lines if block.id in shown)


_NO_PICTURE = PageImage(1, digest_of(b""), "image/png", PixelSize(1, 1))


def _same_place(mine: GridBox, true: GridBox) -> bool:
    x, y = (mine.x1 + mine.x2) / 2, (mine.y1 + mine.y2) / 2
    if true.x1 <= x <= true.x2 and true.y1 <= y <= true.y2:
        return True
    width = min(mine.x2, true.x2) - max(mine.x1, true.x1)
    height = min(mine.y2, true.y2) - max(mine.y1, true.y1)
    shared = max(0.0, width) * max(0.0, height)
    both = _area(mine) + _area(true) - shared
    return both > 0 and shared / both >= ENOUGH_OVERLAP


def _area(box: GridBox) -> float:
    return (box.x2 - box.x1) * (box.y2 - box.y1)
