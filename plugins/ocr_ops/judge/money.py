"""Which numbers of a line can be amounts of money. Pure; says nothing of what they are amounts of.

In: a line's text, the decimal mark of its document, and whether that document writes money without cents. Out: `Amount`s. A rate
("19 %"), a quantity with its unit ("5,0000 Stk."), a time ("9.30 Uhr"), and digits of an account or telephone number are no money,
whatever their value. A bare whole number ("3", "0130") is money only where a document has no cents at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ocr_ops.grammar.dates import find_dates
from ocr_ops.grammar.numbers import Amount, DecimalMark, find_amounts, tidy

MOST_DIGITS = 9
"""Digits of a bare whole number above which it is a code."""

_UNITS = (
    r"stk|stück|stueck|st\.|pcs?|pieces?|pi[eè]ces?|pce|pzs?|pezz[io]|ud[se]?|units?|unités?|einh(?:eit(?:en)?)?|ea(?:ch)?|ctn|pkt|pack|box"
    r"|kwh|kw|wh|km|cm|mm|m[²³23]|kg|gr?|mg|ml|cl|lt?|ltr|lit(?:er|re)s?|lbs?|oz|gal"
    r"|std|stunden?|hours?|hrs?|heures?|uren|uur|ore|horas?|h|min|tage?|days?|jours?|monate?|months?|mois|jahre?|years?|nights?"
    r"|uhr|[ap]\.?m|personen|persons?|pers|pax|punkte|points?|pts|items?|artikel|°c?"
)
_MEASURED = re.compile(rf"\s?(?:{_UNITS})(?![^\W\d_])")
"""Only as units are written: a single capital behind an amount is a tax class."""
_CAPITALS = re.compile(
    r"\s?(?:STK|ST\.|STÜCK|PCS?|KG|KWH|KM|ML|LTR|HRS?|UHR|[AP]M|ITEMS?|Std|Stk|Stück|St\.|Stunden?|Uhr|Pcs?|Kg|Ltr|Tage?)(?![^\W\d_])"
)
_RATE = re.compile(r"\s*(?:%|‰|％|v\.\s?h\.|prozent|percent|per\s?cent|pct\b)", re.IGNORECASE)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])")
_PHONE = re.compile(
    r"(?<!\w)(?:(?:tel|fon|phone|telefon|telephone|téléphone|teléfono|fax|telefax|mobile?|handy|hp|hotline)\b[.:\s/no]*|\+(?=\d\d))"
    r"[(+]?\d[\d\s()./-]{4,}",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?:\b(?:no|nr|n°|num|art|id|ref|zip|plz|table|tisch|kasse|pos|qty|qté|menge)\b[.:]*\s*|[#№x×@]\s?)$",
    re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def find_money(text: str, mark: DecimalMark = ".", *, whole: bool = False) -> tuple[Amount, ...]:
    """Numbers that can be amounts of money, from left to right; `whole`: the document writes money without cents."""
    found = find_amounts(text, mark)
    if not found:
        return ()
    clean = tidy(text)
    codes = [match.span() for pattern in (_IBAN, _PHONE) for match in pattern.finditer(clean)]
    return tuple(
        amount
        for amount in found
        if not amount.percent
        and not _is_measured(clean, amount)
        and not any(start < amount.end and amount.start < end for start, end in codes)
        and (amount.currency or amount.decimals > 1 or (whole and _is_bare_money(clean, amount)))
    )


def writes_whole(texts: Iterable[str], mark: DecimalMark) -> bool:
    """Whether a document writes money without cents: it has no amount with two decimals, or more that name a currency and have none."""
    cents = plain = 0
    for text in texts:
        for amount in find_money(text, mark):
            cents += amount.decimals == 2
            plain += not amount.decimals and bool(amount.currency)
    return plain > cents or not cents


def _is_measured(clean: str, amount: Amount) -> bool:
    if amount.currency:
        return False
    after = clean[amount.end : amount.end + 12]
    return any(pattern.match(after) for pattern in (_RATE, _MEASURED, _CAPITALS))


def _is_bare_money(clean: str, amount: Amount) -> bool:
    digits = re.sub(r"\D", "", amount.raw)
    if len(digits) > MOST_DIGITS or (digits.startswith("0") and amount.value != 0) or len(set(digits)) == 0:
        return False
    inside = any(day.start < amount.end and amount.start < day.end for day in find_dates(clean))
    return not inside and not _CODE.search(clean[: amount.start])
