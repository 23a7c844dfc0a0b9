"""Scores of many documents -> the figures of a report. Pure; every rate carries its counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocr_ops.evaluate.score import DocumentScore
from ocr_ops.model import Status

Z_95 = 1.959964
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `of`, and Wilson's 95 % interval around their quotient; all None where nothing was counted."""

    hits: int
    of: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class LineFigures:
    """Line items: a row is right when every labelled cell is, in any order."""

    precision: float
    recall: float
    f1: float
    totals_f1: float
    true: int


@dataclass(frozen=True, slots=True)
class FieldFigures:
    """One field over all documents. `wrong`: a value was given and is not the truth; the rest is missing."""

    exact: Rate
    wrong: int
    critical: bool


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Accepting the surest `covered` documents (share of all) lets `wrong` of them pass with a wrong critical value."""

    covered: float
    risk: float
    wrong: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of one source of documents, or of all."""

    source: str
    documents: int
    accepted: int
    false_accepts: Rate
    """Accepted documents with a wrong critical value, of accepted documents."""
    false_values: Rate
    """Wrong ones of the labelled critical values that accepted documents give; another type taken counts as one wrong value."""
    other_type: Rate
    """Documents taken for another type than their own, of those that were given one."""
    held: Rate
    """Documents not accepted, whatever the reason, of all."""
    quarantined: int
    whole: Rate
    """Documents with every scored field right, of all."""
    fields: dict[str, FieldFigures]
    lines: LineFigures | None
    evidence: Rate
    """Right values whose evidence lies where the truth stands, of right values where that is known."""
    pages: int
    pages_lost: int
    read_s_per_page: float
    other_s_per_page: float
    tokens_per_page: tuple[float, float]
    reasons: dict[str, int]
    """Kind of problem and field -> documents held with it."""
    curve: tuple[CurvePoint, ...]


def wilson(hits: int, of: int) -> Rate:
    """A rate with Wilson's score interval, which also behaves at 0 and 1 and with few documents."""
    if of == 0:
        return Rate(hits, of, None, None, None)
    rate, z2 = hits / of, Z_95**2
    middle = (rate + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 * math.sqrt(rate * (1 - rate) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return Rate(hits, of, rate, max(0.0, middle - half), min(1.0, middle + half))


def figures_by_source(scores: Sequence[DocumentScore]) -> tuple[Figures, ...]:
    """Figures of every source, and of all together where there are several."""
    sources = dict.fromkeys(score.source for score in scores)
    parts = tuple(figures_of(name, [score for score in scores if score.source == name]) for name in sources)
    return (*parts, figures_of("all", scores)) if len(parts) > 1 else parts


def figures_of(source: str, scores: Sequence[DocumentScore]) -> Figures:
    """Add up the scores of some documents."""
    accepted = [score for score in scores if score.accepted]
    given = sum(field.critical and field.value is not None for score in accepted for field in score.fields)
    typed = [score for score in scores if score.judged_type is not None]
    placed = [
        field.well_placed for score in scores for field in score.fields if field.well_placed is not None
    ]
    pages = sum(score.pages for score in scores)
    return Figures(
        source=source,
        documents=len(scores),
        accepted=len(accepted),
        false_accepts=wilson(sum(bool(score.wrong_critical) for score in accepted), len(accepted)),
        false_values=wilson(
            sum(len(score.wrong_critical) for score in accepted),
            given + sum(map(taken_for_another, accepted)),
        ),
        other_type=wilson(sum(map(taken_for_another, typed)), len(typed)),
        held=wilson(len(scores) - len(accepted), len(scores)),
        quarantined=sum(score.status is Status.QUARANTINED for score in scores),
        whole=wilson(sum(score.whole for score in scores), len(scores)),
        fields=_fields(scores),
        lines=_lines(scores),
        evidence=wilson(sum(placed), len(placed)),
        pages=pages,
        pages_lost=sum(score.pages_lost for score in scores),
        read_s_per_page=_per(pages, (score.read_s for score in scores)),
        other_s_per_page=_per(pages, (score.other_s for score in scores)),
        tokens_per_page=(
            _per(pages, (score.tokens[0] for score in scores)),
            _per(pages, (score.tokens[1] for score in scores)),
        ),
        reasons=_reasons(scores),
        curve=risk_coverage(scores),
    )


def taken_for_another(score: DocumentScore) -> bool:
    """Whether a document was read as another type than its own."""
    return score.judged_type not in (None, score.doc_type)


def risk_coverage(scores: Sequence[DocumentScore]) -> tuple[CurvePoint, ...]:
    """The share of wrong documents among the surest ones, for every number of them; the accepted come first."""
    surest_first = sorted(scores, key=lambda score: (not score.accepted, -score.confidence, score.id))
    points, wrong = [], 0
    for count, score in enumerate(surest_first, start=1):
        wrong += bool(score.wrong_critical)
        points.append(CurvePoint(count / len(scores), wrong / count, wrong))
    return tuple(points)


def _fields(scores: Sequence[DocumentScore]) -> dict[str, FieldFigures]:
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    scored: Counter[str] = Counter()
    critical: set[str] = set()
    for field in (field for score in scores for field in score.fields):
        scored[field.name] += 1
        right[field.name] += field.right
        wrong[field.name] += field.wrong
        critical |= {field.name} if field.critical else set()
    return {
        name: FieldFigures(wilson(right[name], count), wrong[name], name in critical)
        for name, count in scored.items()
    }


def _lines(scores: Sequence[DocumentScore]) -> LineFigures | None:
    lines = [score.lines for score in scores if score.lines is not None]
    if not lines:
        return None
    true, found = sum(one.true for one in lines), sum(one.found for one in lines)
    right, totals = sum(one.right for one in lines), sum(one.totals_right for one in lines)
    both = true + found
    return LineFigures(
        precision=right / found if found else 0.0,
        recall=right / true if true else 0.0,
        f1=2 * right / both if both else 0.0,
        totals_f1=2 * totals / both if both else 0.0,
        true=true,
    )


def _reasons(scores: Sequence[DocumentScore]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for score in scores:
        counts.update({f"{one.kind} {one.field or ''}".strip() for one in score.problems})
    return dict(counts.most_common())


def _per(pages: int, amounts: Iterable[float]) -> float:
    return sum(amounts) / pages if pages else 0.0
