"""Printed dates and times -> ISO 8601, in the usual forms of en, de, fr, nl, es, it and zh.

In: text of a page, and whether numbers are day first or month first. Out: `PrintedDate`s with their place in the
text, every one a real calendar day between 1990 and 2079. Reads no clock: what is plausible today is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from ocr_ops.grammar.words import fold

DateOrder = Literal["dmy", "mdy", "ymd"]
"""How dates in digits are meant where the year has two of them; "ymd" on Chinese paper."""

_MONTHS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janner janvier janv januari enero ene gennaio gen",
            "february feb februar fevrier fevr fev februari febrero febbraio",
            "march mar marz mrz maerz mars maart mrt marzo",
            "april apr avril avr abril abr aprile",
            "may mai mei mayo maggio mag",
            "june jun juni juin junio giugno giu",
            "july jul juli juillet juil julio luglio lug",
            "august aug aout augustus agosto ago ags",
            "september sep sept septembre septiembre settembre set",
            "october oct oktober okt octobre octubre ottobre ott",
            "november nov novembre noviembre",
            "december dec dezember dez decembre diciembre dic dicembre disember dis",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_SEP = r"\s?[./\-–']\s?"
_START = r"(?<![\d.,/])"
_YEAR = r"(?:19[9]\d|20[0-7]\d)(?!:[0-5]\d)"
_TIME_GLUED = r"(?=\D|$|[0-2]?\d[:.][0-5]\d)"
_ISO = re.compile(rf"{_START}(?P<y>{_YEAR})(?P<s>[-./])(?P<m>\d{{1,2}})(?P=s)(?P<d>\d{{1,2}})(?!\d{{3}})")
_NUMERIC = re.compile(
    rf"{_START}(?P<a>\d{{1,2}})(?:{_SEP}|\s)(?P<b>\d{{1,2}})(?:{_SEP}|\s)(?P<y>{_YEAR}){_TIME_GLUED}"
)
_SHORT = re.compile(
    rf"{_START}(?P<a>\d{{1,2}})(?P<s>\s?[./\-']\s?)(?P<b>\d{{1,2}})(?P=s)(?P<y>\d{{2}})(?![\d/]|[.,-]\d){_TIME_GLUED}"
)
_SHORT_GLUED = re.compile(
    rf"{_START}(?P<a>\d{{2}})(?P<s>[./\-])(?P<b>\d{{2}})(?P=s)(?P<y>\d{{2}})(?=[0-2]\d:[0-5]\d)"
)
_NAMED = re.compile(
    rf"{_START}(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|º|ª)?[\s.,/\-']*(?:de\s|of\s)?\s?(?P<m>{_MONTH})(?![a-z])\.?[\s.,/\-']*(?:de[l]?\s)?"
    rf"(?P<y>{_YEAR}|\d{{2}}(?!\d))",
)
_NAMED_FIRST = re.compile(
    rf"(?<![a-z])(?P<m>{_MONTH})\.?[\s\-/]*(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s?[,.\s\-/']\s*(?P<y>{_YEAR}|\d{{2}}(?![\d:]))"
)
_CHINESE = re.compile(r"(?P<y>(?:20)?\d{2})\s?年\s?(?P<m>\d{1,2})\s?月\s?(?P<d>\d{1,2})\s?日?")
_COMPACT = re.compile(r"(?<![\d.,/:\-])(?P<y>20[0-3]\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?!\d)")
_YEAR_FIRST_SHORT = re.compile(r"(?<![\d./-])(?P<y>\d{2})(?P<s>-)(?P<m>\d{2})(?P=s)(?P<d>\d{2})(?![\d-])")
_YEAR_FIRST = re.compile(r"(?<![\d./-])(?P<y>\d{2})(?P<s>[-./])(?P<m>\d{2})(?P=s)(?P<d>\d{2})(?![\d./-])")
_HAN = re.compile("[\u4e00-\u9fff]")
_HAN_SHARE = 0.2
"""Share of Han characters among the letters from which a page is Chinese."""
_DIGIT = re.compile(r"\d")
_IN_DIGITS = re.compile(r"\d(?:\s?[./\-–']\s?|\s)\d{1,2}(?:\s?[./\-–']\s?|\s)\d")
"""What a text holds that has a date in digits with marks or blanks between them."""
_MONTH_BEGINS = re.compile("|".join(sorted({name[:3] for name in _MONTHS})))
_THREE_DIGITS = re.compile(r"(?:\d.*){2}")
_LETTER_IN_DATE = re.compile(
    r"(?<![A-Za-z])(?=[\dOolI|]{1,4}[./\-][\dOolI|]{1,2}[./\-][\dOolI|]{2,4})(?:[\dOolI|]{1,4}[./\-]){2}[\dOolI|]{2,4}"
)
_LETTERS = str.maketrans("OolI|", "00111")
_TIME = re.compile(
    r"(?<![\d:.,/])(?P<h>[01]?\d|2[0-4])\s?[:.h]\s?(?P<m>[0-5]\d)(?:\s?[:.]\s?(?P<s>[0-5]\d))?(?!\d|[.,:]\d)\s*(?P<half>[ap]\.?m\b)?",
    re.IGNORECASE,
)
_HOUR_AFTER = re.compile(r"\s*(?:uhr|h\b)", re.IGNORECASE)
_HOUR_INSIDE = re.compile(r"\dh\d", re.IGNORECASE)
_TIME_AFTER_DATE = re.compile(
    r"(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?!\d)\s*(?P<half>[ap]\.?m\b)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class PrintedDate:
    """One date as printed. `iso` is its schema form; `sure`: it reads the same day first and month first."""

    iso: str
    raw: str
    start: int
    end: int
    sure: bool = True
    short_year: bool = False
    compact: bool = False


@dataclass(frozen=True, slots=True)
class PrintedTime:
    """One time of day as printed; `iso` is HH:MM or HH:MM:SS."""

    iso: str
    raw: str
    start: int
    end: int


@lru_cache(maxsize=8192)
def find_dates(text: str, order: DateOrder = "dmy") -> tuple[PrintedDate, ...]:
    """All dates in `text` from left to right, none overlapping another."""
    if not _THREE_DIGITS.search(text):
        return ()
    clean = _tidy(text)
    found: list[PrintedDate] = []
    for printed in _all_forms(clean, text, order):
        if all(printed.end <= other.start or printed.start >= other.end for other in found):
            found.append(printed)
    return tuple(sorted(found, key=lambda d: d.start))


def date_order(texts: Iterable[str], hint: DateOrder = "dmy") -> DateOrder:
    """Day first or month first, by the dates that can only be one of them; `hint` where none can tell.

    Chinese paper puts the year first.
    """
    texts = tuple(texts)
    if _is_chinese(texts):
        return "ymd"
    votes = sum(map(_day_first_votes, texts))
    if votes == 0:
        return hint
    return "dmy" if votes > 0 else "mdy"


@lru_cache(maxsize=8192)
def _day_first_votes(text: str) -> int:
    """Dates that can only be day first, less those that can only be month first."""
    if not _DIGIT.search(text) or not _IN_DIGITS.search(clean := _tidy(text)):
        return 0
    votes = 0
    for pattern in (_NUMERIC, _SHORT):
        for found in pattern.finditer(clean):
            first, second = int(found["a"]), int(found["b"])
            votes += first > 12 >= second >= 1 and first <= 31
            votes -= second > 12 >= first >= 1 and second <= 31
    return votes


def _is_chinese(texts: Sequence[str]) -> bool:
    if not _HAN.search("".join(texts)):
        return False
    letters = "".join(char for text in texts for char in text if char.isalpha())
    return len(_HAN.findall(letters)) > _HAN_SHARE * max(len(letters), 1)


@lru_cache(maxsize=8192)
def find_times(text: str) -> tuple[PrintedTime, ...]:
    """All times of day in `text`; a number with a point ("9.00") is a time only before am, pm or Uhr."""
    clean = text.replace("：", ":")
    if not _THREE_DIGITS.search(clean):
        return ()
    times = [match for match in _TIME.finditer(clean) if _is_time(match, clean)]
    if not times and ":" not in clean:
        return ()
    spans = [(d.start, d.end) for d in find_dates(clean)]
    found: list[PrintedTime] = []
    for _, end in spans:
        glued = _TIME_AFTER_DATE.match(clean, end)
        if glued:
            found.append(_time(glued, end))
    for match in times:
        inside = any(match.start() < end and match.end() > start for start, end in spans)
        if not inside and all(match.start() >= t.end or match.end() <= t.start for t in found):
            found.append(_time(match, match.start()))
    return tuple(sorted(found, key=lambda t: t.start))


def _tidy(text: str) -> str:
    swapped = _LETTER_IN_DATE.sub(lambda m: m.group().translate(_LETTERS), text)
    return swapped.lower() if swapped.isascii() else "".join(_plain(c) for c in swapped)


def _plain(char: str) -> str:
    if char.isascii():
        return char.lower()
    return {"．": ".", "／": "/", "－": "-", "：": ":"}.get(char) or (
        fold(char)[:1] or char if char.isalpha() and ord(char) < 0x250 else char
    )


def _all_forms(clean: str, text: str, order: DateOrder) -> Iterable[PrintedDate]:
    in_digits = _IN_DIGITS.search(clean) is not None
    if in_digits:
        yield from _plain_forms(_ISO, clean, text)
    if "年" in clean:
        yield from _plain_forms(_CHINESE, clean, text)
    if _MONTH_BEGINS.search(clean):
        for pattern in (_NAMED, _NAMED_FIRST):
            yield from _named_forms(pattern, clean, text)
    if in_digits:
        yield from _digit_forms(clean, text, order)
    yield from _plain_forms(_COMPACT, clean, text, compact=True)


def _digit_forms(clean: str, text: str, order: DateOrder) -> Iterable[PrintedDate]:
    if order == "ymd":
        yield from _plain_forms(_YEAR_FIRST, clean, text)
    for pattern in (_NUMERIC, _SHORT_GLUED, _SHORT):
        for found in pattern.finditer(clean):
            printed = _numeric(found, text, order)
            if printed:
                yield printed
    yield from _plain_forms(_YEAR_FIRST_SHORT, clean, text)


def _plain_forms(
    pattern: re.Pattern[str], clean: str, text: str, *, compact: bool = False
) -> Iterable[PrintedDate]:
    for found in pattern.finditer(clean):
        day = _day(int(found["y"]), int(found["m"]), int(found["d"]))
        if day:
            short = len(found["y"]) == 2
            yield PrintedDate(
                day.isoformat(),
                text[found.start() : found.end()],
                found.start(),
                found.end(),
                not short,
                short,
                compact,
            )


def _named_forms(pattern: re.Pattern[str], clean: str, text: str) -> Iterable[PrintedDate]:
    for found in pattern.finditer(clean):
        day = _day(int(found["y"]), _MONTHS[found["m"]], int(found["d"]))
        if day:
            yield PrintedDate(
                day.isoformat(),
                text[found.start() : found.end()].strip(),
                found.start(),
                found.end(),
                True,
                len(found["y"]) == 2,
            )


def _numeric(found: re.Match[str], text: str, order: DateOrder) -> PrintedDate | None:
    first, second, year = int(found["a"]), int(found["b"]), int(found["y"])
    as_dmy, as_mdy = _day(year, second, first), _day(year, first, second)
    preferred, other = (as_mdy, as_dmy) if order == "mdy" else (as_dmy, as_mdy)
    day = preferred or other
    if day is None:
        return None
    sure = as_dmy is None or as_mdy is None or as_dmy == as_mdy
    return PrintedDate(
        day.isoformat(),
        text[found.start() : found.end()].strip(),
        found.start(),
        found.end(),
        sure,
        len(found["y"]) == 2,
    )


def _day(year: int, month: int, day: int) -> date | None:
    full = year if year >= 100 else (2000 + year if year < 80 else 1900 + year)
    try:
        value = date(full, month, day)
    except ValueError:
        return None
    return value if 1990 <= full <= 2079 else None


def _is_time(match: re.Match[str], text: str) -> bool:
    if int(match["h"]) == 24 and match["m"] != "00":
        return False
    written = match.group()
    if ":" in written or match["half"]:
        return True
    return bool(_HOUR_AFTER.match(text[match.end() :])) or bool(_HOUR_INSIDE.search(written))


def _time(match: re.Match[str], start: int) -> PrintedTime:
    hour = int(match["h"]) % 24
    half = (match["half"] or "").lower().replace(".", "")
    if half == "pm" and hour < 12:
        hour += 12
    if half == "am" and hour == 12:
        hour = 0
    iso = f"{hour:02d}:{match['m']}" + (f":{match['s']}" if match["s"] else "")
    return PrintedTime(iso, match.group().strip(), start, match.end())
