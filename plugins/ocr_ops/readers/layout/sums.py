"""Net, tax and gross that belong together: what adds up wins, what does not is left out.

In: ranked amounts per field and facts of the document. Out: the chosen amount for each of the three fields. An amount
that stands alone must be plausible; a net and a tax that do not make the gross are never proposed together.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from ocr_ops.readers.layout.amounts import Money
from ocr_ops.readers.layout.lexicon import concepts

ENOUGH = 1.0
"""The score from which an amount is proposed at all."""
_CENT = Decimal("0.01")
_ROUNDED = Decimal("0.02")
_NEAR = Decimal("0.05")
_IMPOSSIBLE = 20.0
_CONFIRMED = 2.0
"""What it is worth to a gross that a net and a tax add up to it."""
_HIGHEST_RATE = Decimal("0.3")
_RATES = tuple(
    Decimal(r) / 1000
    for r in (25, 38, 50, 55, 60, 70, 77, 80, 81, 90, 100, 120, 150, 160, 180, 190, 200, 210, 220, 230, 250)
)


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


class _Pair(NamedTuple):
    """A net and a tax, and what their own scores are worth together."""

    net: Scored | None
    tax: Scored | None
    own: float


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
    rate_rows: frozenset[int]

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
            rate_rows=_rate_rows(real, max(plain, default=Decimal(0))),
        )


def _words_of(money: Money) -> frozenset[str]:
    return concepts(money.label or money.near or "")


def _rate_rows(money: Sequence[Money], most: Decimal) -> frozenset[int]:
    """Rows of a table of tax by rate that show one rate of several: their amounts are parts, never the whole.

    The row whose gross is the largest amount of the document (`most`), or what the others add up to, is the whole.
    """
    rows: dict[int, list[Decimal]] = {}
    for item in money:
        rows.setdefault(item.row, []).append(item.value)
    sums = {row: whole for row, values in rows.items() if (whole := _whole_of(values)) is not None}
    if len(set(sums.values())) < 2:
        return frozenset()
    largest = max(sums.values(), key=abs)
    parts = set(sums.values()) - {largest}
    adds_up = largest == most or abs(sum(parts, Decimal(0)) - largest) <= _NEAR
    return frozenset(row for row, whole in sums.items() if not (adds_up and whole == largest))


def _whole_of(values: Sequence[Decimal]) -> Decimal | None:
    """The amount on a line that two others of the line, net and tax, add up to."""
    if not 3 <= len(values) <= 8:
        return None
    for net, tax in itertools.combinations(values, 2):
        if net and tax and abs(net) != abs(tax) and net + tax in values:
            return net + tax
    return None


def best_parts(scored: dict[str, list[Scored]], parts: Parts, facts: Facts) -> dict[str, Scored]:
    """The best combination of net, tax and gross: their own scores, and a bonus when they add up."""
    pairs = [
        _Pair(net, tax, sum(item.score - ENOUGH for item in (net, tax) if item is not None))
        for net, tax in itertools.product([None, *scored[parts.net]], [None, *scored[parts.tax]])
    ]
    best: tuple[float, tuple[Scored | None, ...]] = (-math.inf, (None, None, None))
    for gross in (None, *scored[parts.gross]):
        value, (net, tax, _) = max(
            ((_beside(pair, gross, facts), pair) for pair in pairs), key=lambda o: o[0]
        )
        confirmed = net is not None and tax is not None and gross is not None and bool(tax.money.value)
        worth = (gross.score * 1.5 - 1.0 if gross is not None else 0.0) + _CONFIRMED * confirmed
        worth += 0.0 if gross is not None else min(value, 1.0)
        if worth > best[0]:
            best = (worth, (net, tax, gross))
    names = (parts.net, parts.tax, parts.gross)
    return {name: item for name, item in zip(names, best[1], strict=True) if item is not None}


def with_remainders(
    scored: dict[str, list[Scored]], parts: Parts, money: Sequence[Money]
) -> dict[str, list[Scored]]:
    """Also offer as net what a likely gross leaves without its tax, where that very amount is printed."""
    offers = list(scored[parts.net])
    known = {item.money.value for item in offers}
    for gross, tax in itertools.product(scored[parts.gross][:2], scored[parts.tax][:3]):
        value = gross.money.value - tax.money.value
        printed = next((m for m in money if m.value == value and m.amount.looks_like_money), None)
        if printed and tax.money.value and value not in known:
            offers.append(Scored(printed, ENOUGH + 0.2))
            known.add(value)
    return {**scored, parts.net: offers}


def _beside(pair: _Pair, gross: Scored | None, facts: Facts) -> float:
    """How well a net and a tax go with a gross; 0 for none of both."""
    net, tax, score = pair
    if tax is not None:
        score += _tax_fits(tax, net, gross, facts)
    if net is not None and gross is not None:
        score += _net_fits(net, tax, gross, facts)
    if net is not None and tax is not None and gross is not None:
        score += _adds_up(net.money.value, tax.money.value, gross.money.value, facts)
    return score


def _tax_fits(tax: Scored, net: Scored | None, gross: Scored | None, facts: Facts) -> float:
    value = tax.money.value
    base = net.money.value if net is not None else gross.money.value - value if gross is not None else None
    if base is None:
        return 0.0
    if abs(value) > _HIGHEST_RATE * abs(base):
        return -_IMPOSSIBLE
    if net is not None or (value and base in facts.repeats):
        return 0.5
    return 0.0 if _usual_rate(value, base) else -_IMPOSSIBLE


def _usual_rate(tax: Decimal, base: Decimal) -> bool:
    return bool(tax) and any(abs(tax - rate * base) <= _ROUNDED for rate in _RATES)


def _net_fits(net: Scored, tax: Scored | None, gross: Scored, facts: Facts) -> float:
    value, whole = net.money.value, gross.money.value
    if abs(value) > abs(whole) + _NEAR:
        return -_IMPOSSIBLE
    rest = whole - value
    if tax is not None or abs(rest) <= _NEAR:
        return 0.0
    return -0.5 if rest in facts.repeats or _usual_rate(rest, value) else -_IMPOSSIBLE


def _adds_up(net: Decimal, tax: Decimal, gross: Decimal, facts: Facts) -> float:
    gap = abs(net + tax - gross)
    if gap <= _CENT or any(abs(gap - abs(r)) <= _CENT for r in facts.roundings):
        return 2.0 if tax else 0.5
    return 1.2 if gap <= _NEAR else -_IMPOSSIBLE
