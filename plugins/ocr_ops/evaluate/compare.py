"""When a value is right. Pure.

`DEFINITION` says it in words and is printed in every report; `same` does what it says.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from ocr_ops.judge.evidence import NUMBERS
from ocr_ops.model import Kind

DEFINITION = (
    "A value is right when it equals the truth: money, quantities and rates as decimal numbers (12.5 = 12.50), dates and times as ISO "
    "text, all other text after NFKC, lower case, and dropping everything that is neither letter nor digit. Where the truth is only "
    "a short key (marked in the dataset) the value must contain it. A missing value is not right. A field that the truth leaves out, "
    "sets to null or marks as not printed is not scored. Nothing is rounded and no partial credit is given."
)


def same(kind: Kind, truth: str, value: object, *, contains: bool = False) -> bool:
    """Whether a value is right."""
    if not isinstance(value, str):
        return False
    if kind in NUMBERS:
        try:
            return Decimal(value) == Decimal(truth)
        except InvalidOperation:
            return False
    if kind in (Kind.DATE, Kind.TIME):
        return value == truth
    return plain(truth) in plain(value) if contains else plain(truth) == plain(value)


def plain(text: str) -> str:
    """Text as it is compared."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def matched_items(
    kinds: Mapping[str, Kind], truth: Sequence[Mapping[str, str]], found: Sequence[Mapping[str, str]]
) -> int:
    """How many true line items were found, in any order: every labelled cell of the row must be right."""
    left = list(found)
    hits = 0
    for item in truth:
        hit = next((row for row in left if _same_row(kinds, item, row)), None)
        if hit is not None:
            left.remove(hit)
            hits += 1
    return hits


def _same_row(kinds: Mapping[str, Kind], item: Mapping[str, str], row: Mapping[str, str]) -> bool:
    return all(same(kinds.get(name, Kind.TEXT), value, row.get(name)) for name, value in item.items())
