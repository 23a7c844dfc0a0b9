"""Printed amounts and numbers -> exact decimals, in the number formats of en, de, fr, nl, es, it, ch and zh.

In: text of a page and, where known, the document's decimal mark. Out: `Amount`s with their place in the text.
Money never becomes a float. Text that is part of a date, a time, a phone or an identifier is not an amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

DecimalMark = Literal[".", ","]

_MEASURED = re.compile(
    r"(?<![\d.,:/-])(\d{1,9}(?:[.,]\d{1,3})?)\s?(?:km|公里|kg|公斤|kWh|min|[glmh])(?![A-Za-z])", re.IGNORECASE
)
_BLANKS = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "，": ",", "．": ".", "−": "-", "–": "-", "’": "'"}
)
_CURRENCY = r"(?:RM|MYR|EUR|EURO|USD|GBP|CHF|SGD|INR|CNY|RMB|JPY|AUD|CAD|Rs\.?|S\$|US\$|A\$|[€$£¥₹元])"
_CORE = (
    r"\d{1,3}(?:[ ']\d{3})+(?:[.,]\d{1,4})?(?![.,]?\d)"
    r"|\d{1,3}(?:,\d{3})+\.\d{1,4}|\d{1,3}(?:\.\d{3})+,\d{1,4}|\d{1,3}(?:[.,]\d{3}){2,}"
    r"|\d+[.,]\d{1,6}|(?<!\d)[.,]\d{2}|\d+"
)
_AMOUNT = re.compile(
    rf"(?P<cur>(?<![A-Za-z]){_CURRENCY}\s*[:.]?\s*)?(?P<sign>[-+]\s?)?(?P<cur2>{_CURRENCY}\s?)?"
    rf"(?P<num>(?<![\d])(?:{_CORE}))"
    rf"(?P<dash>[.,][-\u2014]{{1,2}}(?!\d))?(?P<post>-(?![\d\w]))?(?P<after>\s?(?:%|{_CURRENCY}(?![A-Za-z])))?",
    re.IGNORECASE,
)
_LOOSE_MARK = re.compile(r"(?<=\d)(?: +([.,]) *| *([.,]) +)(?=\d{2}(?!\d|[.,]\d))")
_LETTER_DIGITS = re.compile(
    r"(?<![A-Za-z\d])(?=[\dOoIl|]*\d)[\dOoIl|]{1,7}[.,][\dOo]{2}(?![A-Za-z\d])|(?<![A-Za-z\d])[\dOoIl|]{1,6}[.,](?=[\dOo]?\d)[\dOo]{2}(?![A-Za-z\d])"
)
_LETTERS = str.maketrans({"O": "0", "o": "0", "I": "1", "l": "1", "|": "1"})
_MISREAD = re.compile(r"[OoIl|][\dOoIl|]{0,6}[.,]|[.,][\dOo]?[Oo]")
"""What a text must hold for `_LETTER_DIGITS` to change it."""
_TAX_CODE = re.compile(r"(?<=[.,]\d\d)[8S5]R(?![A-Za-z\d])")
_DIGIT = re.compile(r"\d")
_GLUED_BEFORE = re.compile(r"[\d][.,:/'-]?$|[A-Za-z]\d*[-/]$|[:/]$|[A-Za-z#_]$")
_SHARED_BEFORE = re.compile(r"(?:^|[^A-Za-z])[A-Za-z]{1,3}$")
_WORD_BEFORE = re.compile(r"[\w)]$")
_NUMBER_AFTER = re.compile(r"[:/]\d|\d|[.,]\d|['-]\d|°")
_WORD_AFTER = re.compile(r"[A-Za-z_/]")
_NOT_DIGIT = re.compile(r"\D")
_GROUPS = re.compile(r"[.,' ]")
_LOOK_BACK = 8
"""Characters before a number that can tell whether it is glued to something."""


@dataclass(frozen=True, slots=True)
class Amount:
    """One number as printed. `text` is its schema form; `start`/`end` are its place in the tidied text."""

    value: Decimal
    text: str
    raw: str
    start: int
    end: int
    decimals: int
    currency: str = ""
    percent: bool = False

    @property
    def looks_like_money(self) -> bool:
        """Whether it is written as money: two decimals or a currency beside it, and no per cent sign."""
        return not self.percent and (self.decimals == 2 or bool(self.currency))


@lru_cache(maxsize=8192)
def tidy(text: str) -> str:
    """Undo OCR damage that is only possible inside numbers: "12 .50" -> "12.50", "1O.5O" -> "10.50".

    Keeps the length where it only swaps characters; letters outside clear numbers stay.
    """
    has_digit = _DIGIT.search(text)
    if not text.isascii():
        text = text.translate(_BLANKS)
    if not has_digit or not ("." in text or "," in text):
        return text
    text = _LOOSE_MARK.sub(lambda m: m.group(1) or m.group(2), text)
    if _MISREAD.search(text):
        text = _LETTER_DIGITS.sub(lambda m: m.group().translate(_LETTERS), text)
    return _TAX_CODE.sub(" SR", text) if "R" in text else text


@lru_cache(maxsize=8192)
def find_amounts(text: str, mark: DecimalMark = ".") -> tuple[Amount, ...]:
    """All numbers in `text` from left to right; places count in `tidy(text)`.

    `mark` decides only what cannot be told alone, such as "1.234".
    """
    return tuple([_amount(match, mark) for match in _numbers(text)])


@lru_cache(maxsize=8192)
def _numbers(text: str) -> tuple[re.Match[str], ...]:
    """The numbers in `tidy(text)` that stand for themselves, whatever the decimal mark."""
    if not _DIGIT.search(text):
        return ()
    clean = tidy(text)
    return tuple([match for match in _AMOUNT.finditer(clean) if not _is_glued(clean, match)])


def parse_number(text: str, mark: DecimalMark = ".") -> Decimal | None:
    """The number that `text` is as a whole (currency and per cent signs allowed), or None."""
    clean = tidy(text).strip()
    found = find_amounts(clean, mark)
    if len(found) != 1 or clean[: found[0].start].strip(" :=*") or clean[found[0].end :].strip(" *"):
        return None
    return found[0].value


def decimal_mark(texts: Iterable[str]) -> DecimalMark:
    """The mark a document writes before its cents, by the vote of its numbers; "." when there is none."""
    votes = {".": 0, ",": 0}
    for text in texts:
        for found in _numbers(text):
            sign = found["num"][-3:-2]
            if sign in votes:
                votes[sign] += 1
    return "," if votes[","] > votes["."] else "."


def _amount(found: re.Match[str], mark: DecimalMark) -> Amount:
    whole, cents = _split(found["num"], mark)
    negative = (found["sign"] or "").startswith("-") or bool(found["post"])
    plain = f"{int(whole or '0')}" + (f".{cents}" if cents else "")
    schema_form = f"-{plain}" if negative and Decimal(plain) else plain
    after = (found["after"] or "").strip()
    currency = (found["cur"] or found["cur2"] or "").strip(" :.") or (after if after != "%" else "")
    decimals = 2 if found["dash"] else len(cents)
    return Amount(
        Decimal(schema_form),
        schema_form,
        found.group().strip(),
        found.start(),
        found.end(),
        decimals,
        currency,
        after == "%",
    )


def _is_glued(text: str, found: re.Match[str]) -> bool:
    """Whether the digits belong to a longer thing: a date, a time, a phone, an identifier."""
    number = found["num"]
    if len(number) > 18:
        return True
    before = text[max(0, found.start() - _LOOK_BACK) : found.start()]
    after = text[found.end() : found.end() + 2]
    money_like = len(number) > 3 and number[-3] in ".,"
    if _NUMBER_AFTER.match(after):
        return True
    if not money_like and not found["after"] and _WORD_AFTER.match(after):
        return True
    if found["cur"] or found["cur2"]:
        return False
    if money_like and (_SHARED_BEFORE.search(before) or before.endswith((":", "="))):
        return False
    return bool(_GLUED_BEFORE.search(before)) or (
        not money_like and bool(found["sign"]) and bool(_WORD_BEFORE.search(before))
    )


def _split(number: str, mark: DecimalMark) -> tuple[str, str]:
    """Whole part and decimals as digits."""
    last = max(number.rfind("."), number.rfind(","))
    if last < 0:
        return _NOT_DIGIT.sub("", number), ""
    cents = number[last + 1 :]
    head = number[:last]
    sign = number[last]
    repeated = sign in head
    grouped = (
        len(cents) == 3 and len(head.replace(" ", "").replace("'", "")) >= 1 and not head.startswith("0")
    )
    if repeated or (grouped and sign != mark and not _GROUPS.search(head)):
        return _NOT_DIGIT.sub("", number), ""
    return _NOT_DIGIT.sub("", head), cents


def find_measured(text: str) -> tuple[Amount, ...]:
    """Numbers with a unit of length, weight, time or energy right behind them ("15.9km"), which are no amounts of money."""
    found = ((match, parse_number(match[1])) for match in _MEASURED.finditer(text))
    return tuple(
        Amount(value, format(value, "f"), match[0], match.start(), match.end(), decimals=0)
        for match, value in found
        if value is not None
    )
