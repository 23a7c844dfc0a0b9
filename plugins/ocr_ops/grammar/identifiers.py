"""Document numbers, tax ids and IBANs as printed -> schema form. Text in, text out, no judging of existence.

IBANs are checked (ISO 7064, mod 97); tax ids are recognised by the shapes countries give them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_IDENTIFIER = re.compile(r"[#№]?\s?([A-Za-z]{0,8}[-/_]?(?=[\w./\-]*\d)[\w](?:[\w./_\-]*[\w])?)")
_IBAN = re.compile(r"(?<![A-Z0-9])([A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30})(?![A-Z0-9])")
_IBAN_LENGTHS = {
    "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27,
    "HR": 21, "HU": 28, "IE": 22, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MT": 31, "NL": 18, "NO": 15, "PL": 28,
    "PT": 25, "RO": 24, "SE": 24, "SI": 19, "SK": 24,
}  # fmt: skip
_EU_VAT = (
    r"ATU\d{8}|BE[01]?\d{9}|BG\d{9,10}|CY\d{8}[A-Z]|CZ\d{8,10}|DE\d{9}|DK\d{8}|EE\d{9}|EL\d{9}|ES[A-Z0-9]\d{7}[A-Z0-9]|FI\d{8}"
    r"|FR[A-Z0-9]{2}\d{9}|GB\d{9}(?:\d{3})?|HR\d{11}|HU\d{8}|IE\d[A-Z0-9+*]\d{5}[A-Z]{1,2}|IT\d{11}|LT(?:\d{9}|\d{12})|LU\d{8}|LV\d{11}"
    r"|MT\d{8}|NL\d{9}B\d{2}|PL\d{10}|PT\d{9}|RO\d{2,10}|SE\d{12}|SI\d{8}|SK\d{10}|CHE\d{9}(?:MWST|TVA|IVA)?"
)
_VAT = re.compile(rf"(?<![A-Z0-9])(?:{_EU_VAT})(?![A-Z0-9])")
_VAT_SPACED = re.compile(r"(?<![A-Za-z0-9])((?:[A-Z]{2,3})[ \-]?(?:[A-Z0-9][ .\-]?){7,13})(?![A-Za-z0-9])")
_TAX_DIGITS = re.compile(
    r"(?<![\w/])(\d{2,3}\s?/\s?\d{3,4}\s?/\s?\d{4,5}|\d{2}[A-Z]{5}\d{4}[A-Z]\d?[A-Z]?\w|\d[\d \-]{6,16}\d|[A-Z]{1,3}[\d\-]{6,18})(?![\w/])"
)


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier; `text` is its schema form, `start`/`end` its place in the text searched."""

    text: str
    raw: str
    start: int
    end: int


def find_identifiers(text: str) -> tuple[Identifier, ...]:
    """Runs that look like document numbers: at least one digit, two characters or more, no blanks inside."""
    found = (
        Identifier(m.group(1), m.group().strip(), m.start(1), m.end(1)) for m in _IDENTIFIER.finditer(text)
    )
    return tuple(i for i in found if len(i.text) >= 2 and (any(c.isdigit() for c in i.text)))


def find_iban(text: str) -> Identifier | None:
    """The first IBAN in `text` whose check digits hold, without blanks; one that fails is not returned."""
    for found in _IBAN.finditer(text):
        plain = found.group(1).replace(" ", "")
        length = _IBAN_LENGTHS.get(plain[:2])
        for candidate in (plain[:length],) if length else tuple(plain[:n] for n in range(len(plain), 14, -1)):
            if iban_holds(candidate):
                return Identifier(
                    candidate,
                    found.group(1)[: _printed_length(found.group(1), len(candidate))],
                    found.start(),
                    found.end(),
                )
    return None


def iban_holds(plain: str) -> bool:
    """Whether an IBAN without blanks has its country's length and right check digits."""
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return False
    if _IBAN_LENGTHS.get(plain[:2], len(plain)) != len(plain):
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def find_tax_id(text: str, *, labelled: bool = False) -> Identifier | None:
    """A tax id in `text`: a VAT number of a known shape, or, beside a label, digits in a tax office's form."""
    exact = _VAT.search(text)
    if exact:
        return Identifier(exact.group(), exact.group(), exact.start(), exact.end())
    for found in _VAT_SPACED.finditer(text):
        plain = re.sub(r"[ .\-]", "", found.group(1))
        if _VAT.fullmatch(plain):
            return Identifier(plain, found.group(1).strip(), found.start(), found.end())
    if not labelled:
        return None
    digits = _TAX_DIGITS.search(text)
    return (
        Identifier(re.sub(r"\s", "", digits.group(1)), digits.group(1), digits.start(), digits.end())
        if digits
        else None
    )


def _printed_length(printed: str, characters: int) -> int:
    """How many characters of `printed` hold the first `characters` that are not blanks."""
    seen = 0
    for place, char in enumerate(printed):
        seen += char != " "
        if seen == characters:
            return place + 1
    return len(printed)
