"""What speaks for one value, as numbers in 0..1 in the order of `calibration.SIGNS`. Pure; decides nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ocr_ops.grammar.dates import find_dates
from ocr_ops.judge.calibration import Signs
from ocr_ops.judge.evidence import Paper, numbers_in, places_of
from ocr_ops.judge.rules import broken
from ocr_ops.model import Evidence, Kind, Match, RuleResult

LEAST_SCORE = 0.9
"""Engine confidence from which the sign `ocr` rises: below it, recognisers guess."""

ROUNDED_BY = Decimal("0.05")
"""The most by which totals are rounded at a till."""

UNKNOWN_SCORE = 0.5
"""The sign `ocr` of an engine that gives no confidence, and of a text layer."""

_ROUNDING = re.compile(
    r"(?<![a-z])(?:round|rndg|rundung|gerundet|arrond|arroton|redond|afrond)", re.IGNORECASE
)

FOUND = frozenset({Match.EXACT, Match.NORMALISED})


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What stands on a document besides a value: the worst engine score of every block, how many dates, what the rules say."""

    paper: Paper
    scores: dict[str, float]
    dates: int
    amounts: tuple[tuple[tuple[int, float], Decimal], ...]
    """Every amount printed, with its page and its height on the page."""
    rounding: bool
    """Whether the document names a rounding."""
    upheld: frozenset[str]
    broken: frozenset[str]
    agreed: frozenset[str]
    """Fields whose value a second look read again."""

    @classmethod
    def of(cls, paper: Paper, rules: Sequence[RuleResult], agreed: frozenset[str] = frozenset()) -> Witnesses:
        """Look once at what all values of a document share."""
        scores: dict[str, float] = {}
        for _, segment in paper.segments:
            if segment.score is not None:
                scores[segment.block_id] = min(segment.score, scores.get(segment.block_id, 1.0))
        dates = {
            d.iso
            for _, segment in paper.segments
            for d in find_dates(segment.text, paper.order)
            if not d.compact
        }
        return cls(
            paper,
            scores,
            len(dates),
            tuple(
                ((page, segment.box.y1), amount.value)
                for page, segment in paper.segments
                for amount in numbers_in(paper, Kind.MONEY, segment.text)
            ),
            any(_ROUNDING.search(segment.text) for _, segment in paper.segments),
            frozenset(path for rule in rules if rule.holds for path in rule.fields),
            frozenset(path for rule in broken(rules) for path in rule.fields),
            agreed,
        )

    def signs(
        self,
        kind: Kind,
        value: str,
        evidence: Evidence,
        *,
        readers: int,
        rivals: int,
        label: float,
        cell: bool,
    ) -> Signs:
        """The signs of one value; `label` is its reader's own score."""
        alone = 1 / self.dates if kind is Kind.DATE and self.dates else 1.0
        return (
            float(evidence.match in FOUND),
            float(evidence.field in self.upheld),
            float(evidence.field not in self.broken),
            float(readers > 1),
            0.0 if cell else self._prints(kind, value),
            self._ocr(evidence),
            round(min(max(label, 0.0), 1.0), 3),
            round(alone / (1 + rivals), 3),
            1.0 if cell or kind is not Kind.MONEY else self._settled(value),
        )

    def _settled(self, value: str) -> float:
        """0 where an amount that a rounding makes of this one first stands below it, as the sum to pay is below the sum."""
        wanted = Decimal(value)
        here = min((place for place, amount in self.amounts if amount == wanted), default=None)
        near = {amount for _, amount in self.amounts if 0 < abs(amount - wanted) <= ROUNDED_BY}
        return 0.0 if here and any(self._rounds(here, wanted, amount) for amount in near) else 1.0

    def _rounds(self, here: tuple[int, float], wanted: Decimal, amount: Decimal) -> bool:
        """Whether a near amount is the rounded one: not where it stands higher, nor where it was handed over and change came back."""
        first = min(place for place, one in self.amounts if one == amount)
        change = [place for place, one in self.amounts if one == amount - wanted and place > first]
        return first > here and not (change and not self.rounding)

    def _prints(self, kind: Kind, value: str) -> float:
        """Further printed lines that show the value; counting them for every cell of a long table would take too long."""
        lines = {(place.page, round(place.row / 4)) for place in places_of(self.paper, kind, value)}
        return min(max(len(lines) - 1, 0), 2) / 2

    def _ocr(self, evidence: Evidence) -> float:
        known = [self.scores[block] for block in evidence.blocks if block in self.scores]
        sure = (min(known) - LEAST_SCORE) / (1 - LEAST_SCORE) if known else UNKNOWN_SCORE
        sure = min(max(sure, 0.0), 1.0)
        # a second look that agrees takes half of the doubt
        return round((1 + sure) / 2 if evidence.field in self.agreed else sure, 3)
