"""Which amounts are the document's totals: words, place, repeats and arithmetic, each with a weight one can read.

In: all money of a document, the schema's money fields outside tables and its sum rules. Out: `Reading`s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from ocr_ops.model import Kind, Reading, Schema
from ocr_ops.readers.layout.amounts import Money
from ocr_ops.readers.layout.labels import LabelSet, labels_of
from ocr_ops.readers.layout.lexicon import concepts
from ocr_ops.readers.layout.sums import ENOUGH, Facts, Parts, Scored, best_parts, with_remainders

_TOP = 7
_LONGEST_AMOUNT = 14
_LARGEST_ROUNDING = Decimal("0.5")


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
    labels = labels_of(fields)
    parts = sum_parts(schema)
    facts = Facts.of(money, summary_row, lines_sum)
    scored = {f.path: _ranked(f.path, money, labels, parts, facts) for f in fields}
    chosen: dict[str, Scored] = (
        best_parts(with_remainders(scored, parts, money), parts, facts) if parts else {}
    )
    for field in fields:
        if not parts or field.path not in (parts.net, parts.tax, parts.gross):
            top = scored[field.path][:1]
            if top and top[0].score >= ENOUGH:
                chosen[field.path] = top[0]
    return tuple(_reading(path, best) for path, best in chosen.items())


def _ranked(
    path: str, money: Sequence[Money], labels: LabelSet, parts: Parts | None, facts: Facts
) -> list[Scored]:
    found: list[Scored] = []
    part = parts is not None and path in (parts.net, parts.tax)
    for item in money:
        if not _may_be_total(item, facts) or (part and item.row in facts.rate_rows):
            continue
        own = _label_score(path, item, labels, parts)
        if own <= 0 and not (parts and path == parts.gross):
            continue
        score = own + _shape(item, facts) + (0.0 if item.label else 0.8 * item.row / facts.rows)
        if parts and path == parts.gross:
            score += _gross_shape(item, facts)
        found.append(Scored(item, score, own))
    return _one_per_value(sorted(found, key=lambda s: -s.score))


def _may_be_total(item: Money, facts: Facts) -> bool:
    written = item.amount.looks_like_money or not facts.cents
    return written and not item.amount.percent and len(item.amount.text) <= _LONGEST_AMOUNT


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
    score = mine = 0.0
    if matches := labels.match(text):
        mine = matches[path].score if path in matches else 0.0
        others = max((m.score for p, m in matches.items() if p != path), default=0.0)
        score = 4.0 * mine - (1.5 if others > mine else 0.0)
    if parts is None or path not in (parts.net, parts.tax, parts.gross):
        return score if mine >= 0.6 else -1.0
    said = concepts(text)
    if "round" in said and abs(value) < _LARGEST_ROUNDING:
        return score - 5.0
    return score + _SENSE[("net", "tax", "gross")[(parts.net, parts.tax, parts.gross).index(path)]](said)


@lru_cache(maxsize=1024)
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


@lru_cache(maxsize=1024)
def _net_sense(said: frozenset[str]) -> float:
    score = 1.5 * ("sub" in said) + 1.5 * ("excl" in said)
    score -= 3.0 * ("incl" in said and "excl" not in said) + 3.0 * bool(
        said & {"qty", "change", "discount", "point", "round", "cash"}
    )
    return score - (1.5 if "tax" in said and not said & {"excl", "sub"} else 0.0)


@lru_cache(maxsize=1024)
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


def _reading(path: str, best: Scored) -> Reading:
    blocks = tuple(dict.fromkeys((best.money.cell.block, *best.money.label_blocks)))
    confidence = 1 / (1 + math.exp(-(best.score - 2.0)))
    return Reading(path, best.money.amount.text, best.money.amount.raw, blocks, round(confidence, 3))
