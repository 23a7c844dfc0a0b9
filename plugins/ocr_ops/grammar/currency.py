"""Symbols, codes and country hints -> ISO 4217 code. In: texts of a document. Out: a code or None."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_CODES = [
    "EUR",
    "USD",
    "GBP",
    "MYR",
    "SGD",
    "CHF",
    "INR",
    "CNY",
    "JPY",
    "AUD",
    "CAD",
    "NZD",
    "HKD",
    "IDR",
    "THB",
    "PHP",
    "VND",
    "KRW",
    "TWD",
    "SEK",
    "NOK",
    "DKK",
    "PLN",
    "CZK",
    "HUF",
    "RON",
    "BGN",
    "TRY",
    "ZAR",
    "BRL",
    "MXN",
    "ARS",
    "CLP",
    "COP",
    "PEN",
    "ILS",
    "SAR",
    "AED",
    "EGP",
    "NGN",
    "KES",
    "RUB",
    "UAH",
    "ISK",
]
_CODE = re.compile(rf"(?<![A-Za-z])({'|'.join(_CODES)})(?![A-Za-z])")
_MARKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, flags), code)
    for pattern, code, flags in (
        (r"(?<![A-Za-z])RM(?![A-Za-z])", "MYR", 0),
        (r"ringgit", "MYR", re.IGNORECASE),
        (r"€", "EUR", 0),
        (r"(?<![A-Za-z])euros?(?![A-Za-z])", "EUR", re.IGNORECASE),
        (r"£", "GBP", 0),
        (r"₹|(?<![A-Za-z])Rs\.?\s?\d", "INR", 0),
        (r"(?<![A-Za-z])rupees?(?![A-Za-z])", "INR", re.IGNORECASE),
        (r"US\s?\$|us dollars?", "USD", re.IGNORECASE),
        (r"(?<![A-Za-z])S\$", "SGD", 0),
        (r"(?<![A-Za-z])A\$", "AUD", 0),
        (r"(?<![A-Za-z])C\$", "CAD", 0),
        (r"HK\s?\$", "HKD", 0),
        (r"(?<![A-Za-z])(?:Fr|SFr)\.\s?\d", "CHF", 0),
        (r"人民币|RMB|\d\s?元", "CNY", 0),
        (r"₩", "KRW", 0),
        (r"฿", "THB", 0),
        (r"₫", "VND", 0),
        (r"zł", "PLN", 0),
        (r"Kč", "CZK", 0),
    )
)
_HINTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"sdn\.? ?bhd|malaysia|selangor|kuala ?lumpur|\bjalan\b|\bjohor\b|\bpenang\b", "MYR"),
        (
            r"\bgmbh\b|mwst|ust-id|\bsiret\b|\btva\b|\bbtw\b|partita iva|\bsarl\b|deutschland|\bfrance\b|\bitalia\b|españa|nederland",
            "EUR",
        ),
        (r"\bche-\d|schweiz|suisse|svizzera", "CHF"),
        (r"\bgstin\b|\bindia\b|\bcgst\b|\bsgst\b|\bpvt\b|\bcin ?:", "INR"),
        (r"singapore|\bpte\.? ltd", "SGD"),
        (r"united kingdom|\bvat reg(?:istration)? no\b.*\bgb\b", "GBP"),
        (r"中国|发票|税务", "CNY"),
        (r"\binc\.?(?: |$)|\bllc\b|\busa\b|united states", "USD"),
        (r"australia|\babn\b|pty\.? ltd", "AUD"),
    )
)


@lru_cache(maxsize=8192)
def currency_of(text: str) -> str | None:
    """The currency that this one text names, by code or symbol."""
    code = _CODE.search(text)
    if code:
        return code.group(1)
    return next((iso for pattern, iso in _MARKS if pattern.search(text)), None)


def guess_currency(texts: Iterable[str]) -> str | None:
    """The currency of a document: codes and symbols by vote, country hints only where there are none."""
    lines = tuple(texts)
    votes: dict[str, float] = {}
    whole = " \n".join(lines)  # whatever a line matches at its end matches before a blank too
    marks = [(pattern, iso) for pattern, iso in _MARKS if pattern.search(whole)]
    for line in lines if marks or _CODE.search(whole) else ():
        for code in _CODE.findall(line):
            votes[code] = votes.get(code, 0) + 1
        for pattern, iso in marks:
            if pattern.search(line):
                votes[iso] = votes.get(iso, 0) + 1
    return _first(votes) or _from_hints(lines, whole)


def _from_hints(lines: tuple[str, ...], whole: str) -> str | None:
    votes: dict[str, float] = {}
    hints = [(pattern, iso) for pattern, iso in _HINTS if pattern.search(whole)]
    for line in lines if hints else ():
        for pattern, iso in hints:
            if pattern.search(line):
                votes[iso] = votes.get(iso, 0) + 1
    if "$" in whole:
        return next((iso for iso in ("AUD", "SGD") if iso in votes), "USD")
    return _first(votes)


def _first(votes: dict[str, float]) -> str | None:
    return max(votes, key=lambda code: votes[code]) if votes else None
