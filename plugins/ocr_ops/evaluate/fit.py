"""Scored documents -> the judge's calibration: weights of every sign, and the least probability to accept from. Pure, deterministic.

Logistic regression by projected gradient: weights stay at or above 0, so that more evidence never lowers a probability, and a small penalty
keeps signs that hardly vary from being trusted. For every sign one wrong value is imagined, like the average but without this sign, for what was not seen yet.
Documents are shared out by their bytes: half to fit on, half to check with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ocr_ops.evaluate.compare import same
from ocr_ops.evaluate.run import Evaluated
from ocr_ops.evaluate.score import DocumentScore, FieldScore
from ocr_ops.judge.calibration import SIGNS, Calibration, Signs, Weights, group_of
from ocr_ops.judge.choosing import pattern_of
from ocr_ops.model import FieldSpec, Kind, ProblemKind, Status
from ocr_ops.schemas import load_schema

PENALTY = 0.05
ROUNDS = 4000
HUMBLE = 0.01
"""The least sure values of every critical field are held even where no wrong one was seen: what was not seen may still come."""


MOST_WRONG, MOST_HELD = 0.01, 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """What thresholds aim at: the share of wrong values among accepted ones, and the most of a field that may be held for it."""

    wrong: float = MOST_WRONG
    held: float = MOST_HELD


Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """One value with what the judge knew of it, and whether it was right."""

    group: str
    signs: Signs
    right: bool


def half_of(one: Evaluated) -> str:
    """ "fit" or "check", by the document's digest."""
    digest = one.journey.source.digest if one.journey.source else one.case.id
    return "fit" if int(digest[-1], 36) % 2 == 0 else "check"


def examples_of(done: Iterable[Evaluated]) -> Iterator[Example]:
    """Every labelled value that was read; line items where as many rows were found as there are."""
    for one in done:
        if one.record is None or one.record.doc_type != one.case.doc_type:
            continue
        specs = {spec.path: spec for spec in load_schema(one.case.doc_type).fields}
        signs = {evidence.field: evidence.signs for evidence in one.record.evidence if evidence.signs}
        for field in one.score.fields:
            path = f"/{field.name}"
            if field.value is not None and path in signs:
                yield Example(group_of(specs[path].kind, cell=False), signs[path], field.right)
        yield from _cells(one, specs, signs)


def _cells(one: Evaluated, specs: dict[str, FieldSpec], signs: dict[str, Signs]) -> Iterator[Example]:
    rows = sorted({int(path.split("/")[2]) for path in signs if path.startswith("/line_items/")})
    items = one.case.line_items or ()
    found = one.record.values.get("line_items", ()) if one.record else ()
    if not len(rows) == len(items) == len(found):
        return
    for row, item, values in zip(rows, items, found, strict=True):
        for name, truth in item.items():
            path = f"/line_items/{row}/{name}"
            if path in signs and name in values:
                kind = specs[pattern_of(path)].kind
                yield Example(group_of(kind, cell=True), signs[path], same(kind, truth, values[name]))


def fit_weights(examples: Sequence[Example]) -> Weights:
    """The weights of one group."""
    x, y, times = _table_of(examples)
    lazy = np.full(x.shape[1], PENALTY)
    lazy[-1] = 0.0
    step = 1 / (0.25 * float(np.linalg.eigvalsh((x.T * times) @ x)[-1]) + PENALTY)
    w: Array = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-(x @ w)))
        w -= step * (x.T @ (times * (p - y)) + lazy * w)
        w[:-1] = np.maximum(w[:-1], 0.0)
    right = sum(one.right for one in examples)
    rounded = [round(float(v), 3) for v in w]
    return Weights(rounded[-1], tuple(rounded[:-1]), (right, len(examples) - right))


def _table_of(examples: Sequence[Example]) -> tuple[Array, Array, Array]:
    """Signs with a column of ones, right or not, and how often; equal examples share a row, the imagined wrong ones come last."""
    counted = Counter((one.signs, one.right) for one in examples)
    signs = np.array([some for some, _ in counted], dtype=float)
    often = np.array(list(counted.values()), dtype=float)
    average = (often @ signs) / often.sum()
    x = np.vstack([signs, average * (1 - np.eye(len(SIGNS)))])
    y = np.array([right for _, right in counted] + [False] * len(SIGNS), dtype=float)
    return np.hstack([x, np.ones((len(x), 1))]), y, np.concatenate([often, np.ones(len(SIGNS))])


def fit(done: Sequence[Evaluated], version: int, limits: Limits) -> Calibration:
    """Weights for every group, then thresholds for every critical field of every type, on the documents given."""
    groups: dict[str, list[Example]] = {}
    for example in examples_of(done):
        groups.setdefault(example.group, []).append(example)
    weights = {name: fit_weights(some) for name, some in sorted(groups.items())}
    raw = Calibration(version, SIGNS, weights, {}, {})
    scores = [rescored(one, raw) for one in done]
    types = sorted({one.case.doc_type for one in done})
    thresholds = {
        doc_type: {
            spec.path: threshold([s for s in scores if s.doc_type == doc_type], spec.path.strip("/"), limits)
            for spec in load_schema(doc_type).fields
            if spec.critical
        }
        for doc_type in types
    }
    counts = {
        source: sum(one.score.source == source for one in done)
        for source in sorted({o.score.source for o in done})
    }
    return replace(raw, accept_from=thresholds, fitted_on=counts)


def threshold(scores: Sequence[DocumentScore], name: str, limits: Limits) -> float:
    """The least probability from which a field is accepted, chosen among its otherwise accepted values.

    As low as keeps the share of wrong ones within bounds; where that would hold too many, as low as lets the fewest wrong ones through
    within what may be held; and never so low that the `HUMBLE` share of the least sure passes. Ties stay together.
    """
    values = [field for score in scores if score.accepted for field in score.fields if field.name == name]
    known = sorted((field for field in values if field.probability is not None), key=_sure)
    cuts = [n for n in range(len(known)) if n == 0 or _sure(known[n]) > _sure(known[n - 1])]
    within = [n for n in cuts if n <= limits.held * len(known)]
    if not within:
        return 0.0
    wrong = {n: sum(field.wrong for field in known[n:]) for n in within}
    good = [n for n in within if wrong[n] <= limits.wrong * (len(known) - n)]
    cut = good[0] if good else min(within, key=lambda n: (wrong[n], n))
    humble = max(n for n in within if n <= max(HUMBLE * len(known), 0))
    cut = max(cut, humble)
    return round((_sure(known[cut - 1]) + _sure(known[cut])) / 2, 4) if cut else 0.0


def rescored(one: Evaluated, calibration: Calibration) -> DocumentScore:
    """The score a document would have under a calibration: its status without the old one, then the new thresholds applied."""
    kinds = {spec.path: spec.kind for spec in load_schema(one.case.doc_type).fields}
    signs = {evidence.field: evidence.signs for evidence in (one.record.evidence if one.record else ())}
    fields = tuple(_reweighed(field, kinds, signs, calibration) for field in one.score.fields)
    # fields without truth can hold a document too, so all critical evidence counts
    doubted = any(
        (calibration.probability(kinds[path], some, cell=False) or 0.0)
        < calibration.least(one.case.doc_type, path)
        for path, some in signs.items()
        if path in kinds and some
    )
    others = [problem for problem in one.score.problems if problem.kind is not ProblemKind.IMPROBABLE]
    status = one.score.status
    if status in (Status.ACCEPTED, Status.NEEDS_REVIEW):
        status = Status.NEEDS_REVIEW if others or doubted else Status.ACCEPTED
    return replace(one.score, fields=fields, status=status, problems=tuple(others))


def _reweighed(
    field: FieldScore, kinds: dict[str, Kind], signs: dict[str, Signs], calibration: Calibration
) -> FieldScore:
    path = f"/{field.name}"
    known = signs.get(path)
    if not known or path not in kinds:
        return field
    return replace(field, probability=calibration.probability(kinds[path], known, cell=False))


def _sure(field: FieldScore) -> float:
    return field.probability or 0.0


@dataclass(frozen=True, slots=True)
class Reliability:
    """How honest probabilities are: values in a band, what was promised on average, what came."""

    low: float
    high: float
    values: int
    promised: float
    right: float


BANDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)


def reliability(done: Sequence[Evaluated], calibration: Calibration) -> tuple[Reliability, ...]:
    """Promised and seen shares of right values, in bands of probability."""
    pairs = [
        (weights.probability(example.signs), example.right)
        for example in examples_of(done)
        if (weights := calibration.groups.get(example.group)) is not None
    ]
    bands = []
    for low, high in pairwise(BANDS):
        some = [(p, right) for p, right in pairs if low <= p < high or p == high == BANDS[-1]]
        if some:
            count = len(some)
            bands.append(
                Reliability(
                    low, high, count, sum(p for p, _ in some) / count, sum(r for _, r in some) / count
                )
            )
    return tuple(bands)
