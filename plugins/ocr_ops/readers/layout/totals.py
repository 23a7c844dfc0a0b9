"""Which amounts are the document's totals: words, place, repeats and arithmetic, each with a weight one can read.

In: all money of a document, the schema's money fields outside tables and its sum rules. Out: `Reading`s.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ocr_ops.model import Kind, Reading, Schema
from ocr_ops.readers.layout.amounts import Money
from ocr_ops.readers.layout.labels import LabelSet
from ocr_ops.readers.layout.lexicon import concepts

_TOP = 7
_CENT = Decimal("0.01")
_ENOUGH = 1.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The three fields of a sum rule `net + tax = gross`."""

    net: str
    tax: str
    gross: str


@dataclass(frozen=True, slots=True)
class Scored:
    """One amount as one field's value. `own` is the label's share of the score."""

    money: Money
    score: float
    own: float = 0.0


def sum_parts(schema: Schema) -> Parts | None:
    """The first rule that adds two plain fields, one of them a tax, to a third."""
    for rule in schema.rules:
        plain = len(rule.sum) == 2 and not any("*" in p for p in (*rule.sum, rule.equals))
        tax = [p for p in rule.sum if "tax" in p]
        if plain and len(tax) == 1:
            return Parts(next(p for p in rule.sum if p != tax[0]), tax[0], rule.equals)
    return None


def read_totals(
    money: Sequence[Money], schema: Schema, summary_row: int | None, lines_sum: Decimal | None
) -> tuple[Reading, ...]:
    """Readings for all money fields outside tables."""
    fields = [f for f in schema.fields if f.kind is Kind.MONEY and "*" not in f.path]
    labels = LabelSet(fields)
    parts = sum_parts(schema)
    facts = Facts.of(money, summary_row, lines_sum)
    scored = {f.path: _ranked(f.path, money, labels, parts, facts) for f in fields}
    chosen: dict[str, Scored] = _best_parts(scored, parts, facts) if parts else {}
    for field in fields:
        if not parts or field.path not in (parts.net, parts.tax, parts.gross):
            top = scored[field.path][:1]
            if top and top[0].score >= _ENOUGH:
                chosen[field.path] = top[0]
    return tuple(_reading(path, best) for path, best in chosen.items())


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds for the document as a whole."""

    repeats: Counter[Decimal]
    largest: Decimal
    paid: frozenset[Decimal]
    change: frozenset[Decimal]
    roundings: frozenset[Decimal]
    line_height: float
    rows: int
    summary_row: int
    cash_row: int
    lines_sum: Decimal | None
    cents: bool

    @staticmethod
    def of(money: Sequence[Money], summary_row: int | None, lines_sum: Decimal | None) -> Facts:
        """Gather them from all amounts."""
        real = [m for m in money if m.amount.looks_like_money]
        words = [(m, _words_of(m)) for m in real]
        plain = [m.value for m, w in words if not w & {"cash", "change"}]
        heights = sorted(m.cell.height for m in real) or [1.0]
        rows = max((m.row for m in money), default=0) + 1
        return Facts(
            repeats=Counter(m.value for m in real),
            largest=max(plain, default=Decimal(0)),
            paid=frozenset(m.value for m, w in words if "cash" in w),
            change=frozenset(m.value for m, w in words if "change" in w),
            roundings=frozenset(
                m.value for m, w in words if "round" in w and abs(m.value) < Decimal("0.1") and m.value
            ),
            line_height=heights[len(heights) // 2],
            rows=rows,
            summary_row=rows if summary_row is None else summary_row,
            cash_row=min((m.row for m, w in words if "cash" in w and m.row > rows * 0.3), default=rows),
            lines_sum=lines_sum,
            cents=sum(m.amount.decimals == 2 for m in real) >= 2,
        )


def _words_of(money: Money) -> frozenset[str]:
    return concepts(money.label or money.near or "")


def _ranked(
    path: str, money: Sequence[Money], labels: LabelSet, parts: Parts | None, facts: Facts
) -> list[Scored]:
    found: list[Scored] = []
    for item in money:
        if (
            item.amount.percent
            or (facts.cents and not item.amount.looks_like_money)
            or len(item.amount.text) > 14
        ):
            continue
        own = _label_score(path, item, labels, parts)
        if own <= 0 and not (parts and path == parts.gross):
            continue
        score = own + _shape(item, facts) + (0.0 if item.label else 0.8 * item.row / facts.rows)
        if parts and path == parts.gross:
            score += _gross_shape(item, facts)
        found.append(Scored(item, score, own))
    return _one_per_value(sorted(found, key=lambda s: -s.score))


def _one_per_value(ranked: list[Scored]) -> list[Scored]:
    seen: set[Decimal] = set()
    kept = []
    for item in ranked:
        if item.money.value not in seen:
            seen.add(item.money.value)
            kept.append(item)
    return kept[:_TOP]


def _label_score(path: str, item: Money, labels: LabelSet, parts: Parts | None) -> float:
    """How much the words beside an amount speak for one field, about -6 to 5."""
    best = -9.0
    for text, weight in ((item.label, 1.0), (item.near, 0.7), (item.header, 0.75)):
        if text:
            best = max(best, _text_score(path, text, item.value, labels, parts) * weight)
    return best if best > -9 else -0.5


def _text_score(path: str, text: str, value: Decimal, labels: LabelSet, parts: Parts | None) -> float:
    matches = labels.match(text)
    mine = matches[path].score if path in matches else 0.0
    others = max((m.score for p, m in matches.items() if p != path), default=0.0)
    score = 4.0 * mine - (1.5 if others > mine else 0.0)
    if parts is None or path not in (parts.net, parts.tax, parts.gross):
        return score if mine >= 0.6 else -1.0
    said = concepts(text)
    if "round" in said and abs(value) < Decimal("0.5"):
        return score - 5.0
    return score + _SENSE[("net", "tax", "gross")[(parts.net, parts.tax, parts.gross).index(path)]](said)


def _gross_sense(said: frozenset[str]) -> float:
    score = 0.0
    if "total" in said:
        score += 1.5
    if said & {"grand", "due"}:
        score += 0.8 if "total" in said else 1.2
    if "incl" in said and "excl" not in said:
        score += 0.6
    if "round" in said:
        score += 1.0 if said & {"total", "due"} else 3.5
    if "tax" in said and not said & {"incl", "due", "grand"}:
        score -= 2.5
    score -= 3.5 * ("sub" in said) + 3.0 * ("excl" in said and "incl" not in said) + 4.0 * ("qty" in said)
    score -= (
        4.0 * ("change" in said)
        + 4.0 * ("discount" in said)
        + 3.0 * ("point" in said)
        + 3.0 * ("summary" in said)
    )
    score -= 3.0 * ("service" in said)
    if "cash" in said and "total" not in said and "due" not in said:
        score -= 0.8
    return score


def _net_sense(said: frozenset[str]) -> float:
    score = 1.5 * ("sub" in said) + 1.5 * ("excl" in said)
    score -= 3.0 * ("incl" in said and "excl" not in said) + 3.0 * bool(
        said & {"qty", "change", "discount", "point", "round", "cash"}
    )
    return score - (1.5 if "tax" in said and not said & {"excl", "sub"} else 0.0)


def _tax_sense(said: frozenset[str]) -> float:
    score = 1.5 * ("tax" in said)
    score -= 3.0 * bool(said & {"qty", "change", "discount", "point", "round", "cash", "summary"})
    return score - 2.5 * bool(said & {"incl", "excl", "sub"})


_SENSE = {"gross": _gross_sense, "net": _net_sense, "tax": _tax_sense}


def _shape(item: Money, facts: Facts) -> float:
    score = 0.4 if item.amount.decimals == 2 else -1.0
    score -= 0.6 * (item.row > facts.summary_row)
    return score + 0.2 * bool(item.amount.currency)


def _gross_shape(item: Money, facts: Facts) -> float:
    value = item.value
    score = 0.35 * min(facts.repeats[value] - 1, 3)
    score += 1.2 * min(max(item.cell.height / facts.line_height - 1.1, 0.0), 0.6)
    score += 0.5 * (item.row / facts.rows)
    if value == facts.largest:
        score += 0.7
    score -= 2.5 * (value == 0) + 0.8 * (value < 0) + 1.5 * (0 <= value < facts.largest * Decimal("0.4"))
    if any(paid - value in facts.change for paid in facts.paid if paid >= value):
        score += 1.2
    if any(value - r in facts.repeats for r in facts.roundings):
        score += 1.5
    if any(value + r in facts.repeats for r in facts.roundings):
        score -= 0.7
    if facts.lines_sum is not None and abs(facts.lines_sum - value) <= Decimal("0.05"):
        score += 0.5
    return score - 1.8 * (item.row > facts.summary_row)


def _best_parts(scored: dict[str, list[Scored]], parts: Parts, facts: Facts) -> dict[str, Scored]:
    """The best combination of net, tax and gross: their own scores, and a bonus when they add up."""
    options = [[None, *scored[p]] for p in (parts.net, parts.tax, parts.gross)]
    best: tuple[float, tuple[Scored | None, ...]] = (-math.inf, (None, None, None))
    for combination in itertools.product(*options):
        value = _combined(combination, facts)
        if value > best[0]:
            best = (value, combination)
    names = (parts.net, parts.tax, parts.gross)
    return {name: item for name, item in zip(names, best[1], strict=True) if item is not None}


def _combined(combination: tuple[Scored | None, ...], facts: Facts) -> float:
    net, tax, gross = combination
    score = sum(
        (item.score - _ENOUGH if item is not gross else item.score * 1.5 - 1.0)
        for item in combination
        if item is not None
    )
    if net and gross and abs(net.money.value) > abs(gross.money.value) + Decimal("0.05"):
        score -= 3.0
    if tax and net and abs(tax.money.value) > abs(net.money.value) * Decimal("0.4"):
        score -= 3.0
    if tax and gross and abs(tax.money.value) >= abs(gross.money.value) and gross.money.value:
        score -= 3.0
    if net and tax and gross:
        gap = abs(net.money.value + tax.money.value - gross.money.value)
        if gap <= _CENT or any(abs(gap - abs(r)) <= _CENT for r in facts.roundings):
            score += 2.0 if tax.money.value else 0.5
        elif gap <= Decimal("0.05"):
            score += 1.2
        else:
            score -= 1.0
    return score


def _reading(path: str, best: Scored) -> Reading:
    blocks = tuple(dict.fromkeys((best.money.cell.block, *best.money.label_blocks)))
    confidence = 1 / (1 + math.exp(-(best.score - 2.0)))
    return Reading(path, best.money.amount.text, best.money.amount.raw, blocks, round(confidence, 3))
