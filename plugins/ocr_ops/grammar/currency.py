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
_KNOWN = frozenset(_CODES)
_CODE = re.compile(r"[A-Z]{3}(?![A-Za-z])(?<![A-Za-z][A-Z]{3})")
"""Three capitals that stand alone."""

Mark = tuple[tuple[str, ...], re.Pattern[str], str]
"""What a text holds, case folded, where the pattern can match at all; the pattern; the currency it speaks for."""

_TURKISH = str.maketrans({"ı": "i", "\u0307": None})
"""What case folding leaves of an i with and without its dot, which patterns without regard to case take for an i."""

_MARKS: tuple[Mark, ...] = tuple(
    (tuple(needles.split("|")), re.compile(pattern, flags), code)
    for needles, pattern, code, flags in (
        ("rm", r"(?<![A-Za-z])RM(?![A-Za-z])", "MYR", 0),
        ("ringgit", r"ringgit", "MYR", re.IGNORECASE),
        ("€", r"€", "EUR", 0),
        ("euro", r"(?<![A-Za-z])euros?(?![A-Za-z])", "EUR", re.IGNORECASE),
        ("£", r"£", "GBP", 0),
        ("₹|rs", r"₹|(?<![A-Za-z])Rs\.?\s?\d", "INR", 0),
        ("rupee", r"(?<![A-Za-z])rupees?(?![A-Za-z])", "INR", re.IGNORECASE),
        ("$|us dollar", r"US\s?\$|us dollars?", "USD", re.IGNORECASE),
        ("s$", r"(?<![A-Za-z])S\$", "SGD", 0),
        ("a$", r"(?<![A-Za-z])A\$", "AUD", 0),
        ("c$", r"(?<![A-Za-z])C\$", "CAD", 0),
        ("$", r"HK\s?\$", "HKD", 0),
        ("fr.", r"(?<![A-Za-z])(?:Fr|SFr)\.\s?\d", "CHF", 0),
        ("人民币|rmb|元", r"人民币|RMB|\d\s?元", "CNY", 0),
        ("₩", r"₩", "KRW", 0),
        ("฿", r"฿", "THB", 0),
        ("₫", r"₫", "VND", 0),
        ("zł", r"zł", "PLN", 0),
        ("kč", r"Kč", "CZK", 0),
    )
)
_ANY_MARK = re.compile("|".join(re.escape(needle) for needles, _, _ in _MARKS for needle in needles))
_HINTS: tuple[Mark, ...] = tuple(
    (tuple(needles.split("|")), re.compile(pattern, re.IGNORECASE), code)
    for needles, pattern, code in (
        (
            "bhd|malaysia|selangor|kuala|jalan|johor|penang",
            r"sdn\.? ?bhd|malaysia|selangor|kuala ?lumpur|\bjalan\b|\bjohor\b|\bpenang\b",
            "MYR",
        ),
        (
            "gmbh|mwst|ust-id|siret|tva|btw|partita|sarl|deutschland|france|italia|españa|nederland",
            r"\bgmbh\b|mwst|ust-id|\bsiret\b|\btva\b|\bbtw\b|partita iva|\bsarl\b|deutschland|\bfrance\b|\bitalia\b|españa|nederland",
            "EUR",
        ),
        ("che-|schweiz|suisse|svizzera", r"\bche-\d|schweiz|suisse|svizzera", "CHF"),
        ("gst|india|pvt|cin", r"\bgstin\b|\bindia\b|\bcgst\b|\bsgst\b|\bpvt\b|\bcin ?:", "INR"),
        ("singapore|pte", r"singapore|\bpte\.? ltd", "SGD"),
        ("united kingdom|vat reg", r"united kingdom|\bvat reg(?:istration)? no\b.*\bgb\b", "GBP"),
        ("中国|发票|税务", r"中国|发票|税务", "CNY"),
        ("inc|llc|usa|united states", r"\binc\.?(?: |$)|\bllc\b|\busa\b|united states", "USD"),
        ("australia|abn|pty", r"australia|\babn\b|pty\.? ltd", "AUD"),
    )
)


@lru_cache(maxsize=8192)
def currency_of(text: str) -> str | None:
    """The currency that this one text names, by code or symbol."""
    if codes := _codes(text):
        return codes[0]
    if not _ANY_MARK.search(_folded(text)):
        return None
    return next((iso for _, pattern, iso in _MARKS if pattern.search(text)), None)


def guess_currency(texts: Iterable[str]) -> str | None:
    """The currency of a document: codes and symbols by vote, country hints only where there are none."""
    lines = tuple(texts)
    votes: dict[str, float] = {}
    whole = "\n".join(lines)
    marks = [(pattern, iso) for _, pattern, iso in _possible(_MARKS, whole) if pattern.search(whole)]
    for line in lines if marks or _codes(whole) else ():
        for code in _codes(line):
            votes[code] = votes.get(code, 0) + 1
        for pattern, iso in marks:
            if pattern.search(line):
                votes[iso] = votes.get(iso, 0) + 1
    return _first(votes) or _from_hints(lines, whole)


def _from_hints(lines: tuple[str, ...], whole: str) -> str | None:
    votes: dict[str, float] = {}
    hints = _possible(_HINTS, whole)
    for line in lines if hints else ():
        for _, pattern, iso in hints:
            if pattern.search(line):
                votes[iso] = votes.get(iso, 0) + 1
    if "$" in whole:
        return next((iso for iso in ("AUD", "SGD") if iso in votes), "USD")
    return _first(votes)


def _codes(text: str) -> list[str]:
    return [code for code in _CODE.findall(text) if code in _KNOWN]


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else text.casefold().translate(_TURKISH)


def _possible(marks: tuple[Mark, ...], text: str) -> list[Mark]:
    """The marks that a text may hold."""
    folded = _folded(text)
    return [mark for mark in marks if any(needle in folded for needle in mark[0])]


def _first(votes: dict[str, float]) -> str | None:
    return max(votes, key=lambda code: votes[code]) if votes else None
