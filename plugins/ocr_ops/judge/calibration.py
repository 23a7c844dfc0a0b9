"""How likely a value is right, from what the judge knows about it. Pure: the numbers come from a versioned file.

Each thing known is a sign in 0..1, and more of it never speaks against the value. A group of kinds (money, dates, ...) has one weight a
sign and a bias: p = 1 / (1 + exp(-(bias + sum of weight x sign))). `ocr-ops calibrate` fits both on labelled documents, together with
the least probability from which a critical field is accepted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from operator import mul

from ocr_ops.judge.evidence import CODES
from ocr_ops.model import Kind

SIGNS = ("found", "sums", "unbroken", "readers", "prints", "ocr", "label", "alone", "settled")
"""What the judge knows of one value, in this order wherever signs are stored:

found: stands on paper undamaged · sums: a rule holds with it · unbroken: no rule fails with it · readers: two readers agree ·
prints: further places where it is printed (two or more: 1) · ocr: the engine's confidence, 1 at full and 0 at 0.9 or less, a half where
it gives none · label: how sure its reader was of its place · alone: nothing competes with it ·
settled: no amount that a rounding makes of it is printed below.
"""

LIMIT = 0.9999
"""No probability is nearer to 0 or 1: more than that cannot be learned from a few hundred documents."""

Signs = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """The fitted numbers of one group; `weights` in the order of `SIGNS`, none below 0. `fitted_on`: right and wrong values seen."""

    bias: float
    weights: tuple[float, ...]
    fitted_on: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if len(self.weights) != len(SIGNS) or min(self.weights) < 0:
            raise ValueError(f"a group has {len(SIGNS)} weights, none below 0")

    def probability(self, signs: Signs) -> float:
        """The chance that a value with these signs is right."""
        if len(signs) != len(self.weights):
            raise ValueError(f"a value has {len(self.weights)} signs")
        total = self.bias + sum(map(mul, self.weights, signs))
        return min(max(1 / (1 + math.exp(-total)), 1 - LIMIT), LIMIT)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One version of everything that was fitted. `accept_from`: document type -> critical pointer -> least probability."""

    version: int
    signs: tuple[str, ...]
    groups: dict[str, Weights]
    accept_from: dict[str, dict[str, float]]
    fitted_on: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signs != SIGNS:
            raise ValueError("this calibration was fitted on other signs: run `ocr-ops calibrate`")

    def probability(self, kind: Kind, signs: Signs, *, cell: bool) -> float | None:
        """The chance that a value is right; None for a group that was not fitted."""
        weights = self.groups.get(group_of(kind, cell=cell))
        return round(weights.probability(signs), 4) if weights else None

    def least(self, doc_type: str, path: str) -> float:
        """The probability from which a field is accepted; 0 for fields that may not hold a document."""
        return self.accept_from.get(doc_type, {}).get(path, 0.0)


def group_of(kind: Kind, *, cell: bool) -> str:
    """The group whose weights a value uses; `cell`: it stands in a line item."""
    if kind in (Kind.MONEY, Kind.QUANTITY, Kind.RATE):
        return "cell" if cell else "money"
    if cell:
        return "cell_text"
    if kind in (Kind.DATE, Kind.TIME):
        return "date"
    return "code" if kind in CODES else "text"
