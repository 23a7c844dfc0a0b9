"""Who issued a receipt and where: name and address at the head of the first page.

In: laid-out pages. Out: the name and the address as printed lines with their blocks. Knows no merchant by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from ocr_ops.grammar.dates import find_dates
from ocr_ops.grammar.numbers import find_amounts, tidy
from ocr_ops.grammar.words import digits, letters, squeeze
from ocr_ops.readers.layout import lexicon
from ocr_ops.readers.layout.page import Cell, Page, Row, runs

_HEAD_ROWS = 26
_MAX_ADDRESS_LINES = 7
_REGISTERED = re.compile(r"\(\s*(?:[A-Z]{2,3}\s?)?\d{5,12}\s?-?\s?[A-Z0-9]{0,2}\s*\)")
_AFTER_PRICE = re.compile(r"\W+|(?<![^\W\d_])[^\W\d_]{1,2}(?![^\W\d_])")
"""What may follow a price on its line: marks, and the letters of a tax class."""
_LONG_NUMBER_IN_BRACKETS = re.compile(r"\([^)]*\d{5,}[^)]*\)?")
_DIGIT = re.compile(r"\d")
_NUMBER_FIRST = re.compile(r"(?:no\.? ?)?\d+[A-Za-z]?(?:-\d+)?[A-Za-z]? ?,", re.IGNORECASE)
_NUMBER_LAST = re.compile(r"[A-Za-zß]{4,}\.?\s\d{1,4}\s?[a-z]?$")
_COUNTRY_LAST = re.compile(r"(?:malaysia|singapore|deutschland|germany|france)\W*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """Printed lines that make one value."""

    text: str
    blocks: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the head. `kind`: "name", "address", "phone", "web", "tax", "number", "title", "meta", "slogan", "priced" or "text"."""

    cell: Cell
    kind: str
    order: int
    blocks: tuple[str, ...]

    @property
    def text(self) -> str:
        """The words of the line."""
        return self.cell.text


def read_merchant(pages: Sequence[Page]) -> tuple[Found | None, Found | None]:
    """Name and address of the merchant, each None where nothing looks like one."""
    lines = head_lines(pages[0]) if pages else ()
    name_at, name = _name(lines, pages)
    return name, _address(lines, name_at) or _address(lines, 0)


def head_lines(page: Page) -> tuple[Line, ...]:
    """The lines above the first table of amounts, each with what it seems to be."""
    lines: list[Line] = []
    for row in page.rows[:_HEAD_ROWS]:
        sold = is_priced(row)
        for cell in runs(row, 1.6 * page.line):
            if letters(cell.text) + digits(cell.text) >= 2:
                blocks = tuple(c.block for c in row.cells if cell.x1 <= c.x1 and c.x2 <= cell.x2)
                lines.append(Line(cell, "priced" if sold else line_kind(cell.text), len(lines), blocks))
        if len(lines) > 3 and row.y1 > page.height * 0.12 and _holds_price(row):
            break
    return tuple(lines)


def _holds_price(row: Row) -> bool:
    return any(a.looks_like_money for a in find_amounts(row.text)) and address_score(row.text) < 2


def is_priced(row: Row) -> bool:
    """Whether a line ends with an amount of money: something that was sold, or a sum; never who sold it."""
    ends_with_money = any(
        a.looks_like_money and not _AFTER_PRICE.sub("", tidy(row.text)[a.end :])
        for a in find_amounts(row.text)
    )
    return ends_with_money and address_score(row.text) < 2


@lru_cache(maxsize=4096)
def line_kind(text: str) -> str:
    """What one line of a head seems to be."""
    company = lexicon.COMPANY.search(text)
    address = address_score(text)
    if lexicon.TITLE.match(text):
        return "title"
    if lexicon.REGISTRATION.match(text):
        return "number"
    if not company and (kind := _contact_kind(text, address)):
        return kind
    if only_number(text):
        return "number"
    if find_dates(text) or (lexicon.META_LINE.search(text) and not company and _place_score(text) < 2):
        return "meta"
    if company and address < 3:
        return "name"
    return _prose_kind(text, address)


def _contact_kind(text: str, address: float) -> str:
    if lexicon.PHONE.search(text) and address < 3:
        return "phone"
    if lexicon.WEB.search(text):
        return "web"
    return "tax" if lexicon.TAX_LINE.search(text) and address < 3 else ""


def _prose_kind(text: str, address: float) -> str:
    if address >= 2:
        return "address"
    if lexicon.SLOGAN.search(text):
        return "slogan"
    return "address" if address >= 1.5 and re.search(r"\d|,", text) else "text"


def only_number(text: str) -> bool:
    """Whether a line is a registration number and no more."""
    return bool(lexicon.REG_NUMBER.fullmatch(text.strip())) or letters(text) <= 2


def _place_score(text: str) -> float:
    """`address_score` without the word "No", which invoice numbers have too."""
    return address_score(re.sub(r"\bno\b", " ", text, flags=re.IGNORECASE))


@lru_cache(maxsize=4096)
def address_score(text: str) -> float:
    """How much a line looks like part of a postal address."""
    text = _LONG_NUMBER_IN_BRACKETS.sub(" ", text) if "(" in text else text
    score = 1.5 * min(len(lexicon.ROAD.findall(text)) or len(lexicon.PLACE_GLUED.findall(text)), 2)
    score += 1.5 * bool(lexicon.POSTCODE.search(text))
    score += 1.0 * min(len(lexicon.REGION.findall(text)), 2)
    has_digit = _DIGIT.search(text) is not None
    score += 0.5 * (text.count(",") >= 1) + 0.5 * has_digit
    if has_digit and _NUMBER_FIRST.match(text):
        score += 1.0
    if has_digit and _NUMBER_LAST.search(text):
        score += 1.5
    return score


def _name(lines: Sequence[Line], pages: Sequence[Page]) -> tuple[int, Found | None]:
    first_address = next((n for n, line in enumerate(lines) if line.kind == "address"), len(lines))
    best: tuple[float, int] = (0.0, -1)
    usual = sorted(line.cell.height for line in lines)[len(lines) // 2] if lines else 1.0
    for place, line in enumerate(lines):
        score = _name_score(line, lines, place, first_address, usual)
        if score > best[0]:
            best = (score, place)
    if best[1] < 0:
        return 0, _company_elsewhere(pages)
    place = best[1]
    text, used = _joined_name(lines, place)
    name = clean_name(text)
    found = Found(name, _blocks([lines[n] for n in used]), min(best[0] / 8, 1.0))
    weak = (
        lines[place].kind != "name"
        and (line_score := lines[place].cell.score) is not None
        and line_score < 0.93
    )
    other = _company_elsewhere(pages) if weak else None
    return used[-1] + 1, other or (found if letters(name) >= 2 else None)


def _blocks(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(block for line in lines for block in line.blocks))


def _name_score(line: Line, lines: Sequence[Line], place: int, first_address: int, usual: float) -> float:
    if line.kind in ("address", "phone", "web", "tax", "number", "meta", "priced"):
        return 0.0
    text = line.text
    score = 4.0 if line.kind == "name" else (1.0 if line.kind == "text" else -2.0)
    score += 1.5 - (0.25 if not _leads_to_address(lines, place) else 0.1) * place
    score += 0.8 * bool(lexicon.TRADE.search(text))
    score += 1.5 * min(max(line.cell.height / usual - 1.0, 0), 1.0)
    score += 1.0 * (place < first_address) - (1.5 if _is_registered(line) else 4.0) * (
        place > first_address + 1
    )
    following = lines[place + 1].kind if place + 1 < len(lines) else ""
    score += 2.0 * _leads_to_address(lines, place) + 1.0 * (following == "number")
    score -= 2.0 * (line.kind == "text" and address_score(text) >= 1.5)
    score -= 1.5 * (letters(text) < 3) + 1.0 * (len(text) > 50) + 1.5 * bool(lexicon.SLOGAN.search(text))
    ocr = line.cell.score
    return score - (2.0 * (0.9 - ocr) * 5 if ocr is not None and ocr < 0.9 else 0.0)


def _is_registered(line: Line) -> bool:
    """Whether a legal form stands with its registration number: the issuer, wherever in the head it is printed."""
    return line.kind == "name" and bool(_REGISTERED.search(line.text))


def _leads_to_address(lines: Sequence[Line], place: int) -> bool:
    """Whether the next line that is not a number is part of an address."""
    if any(line.kind == "address" for line in lines[:place]) or address_score(lines[place].text) >= 1.5:
        return False
    following = next((line for line in lines[place + 1 :] if line.kind not in ("number", "tax")), None)
    return following is not None and following.kind == "address"


def _joined_name(lines: Sequence[Line], place: int) -> tuple[str, list[int]]:
    """A name printed over several lines: lines that hold little but trade words or a legal form end a name."""
    used = [place]
    while (
        used[0] > 0
        and len(used) < 5
        and _ends_a_name(lines[used[0] : used[-1] + 1])
        and _begins(lines[used[0] - 1], lines[used[0]])
    ):
        used.insert(0, used[0] - 1)
    while used[-1] + 1 < len(lines) and _needs_more(lines[used[0] : used[-1] + 1], lines[used[-1] + 1]):
        used.append(used[-1] + 1)
    return " ".join(lines[n].text for n in used), used


def _ends_a_name(lines: Sequence[Line]) -> bool:
    text = " ".join(line.text for line in lines)
    if text.count(")") > text.count("(") or _NEVER_FIRST.match(text):
        return True
    company = lexicon.COMPANY.search(lines[0].text)
    head = lines[0].text[: company.start()] if company else lines[0].text
    rest = re.sub(r"\W|\bco\b|\(m\)", "", lexicon.TRADE.sub("", head), flags=re.IGNORECASE)
    return letters(rest) < 3 if company or lexicon.TRADE.search(head) else False


_NEVER_FIRST = re.compile(
    r"(?:enterprise|trading|holdings|industries|supplies|sdn|bhd|co\.)(?![a-z])", re.IGNORECASE
)


def _begins(line: Line, following: Line) -> bool:
    near = following.cell.y1 - line.cell.y2 < 1.0 * line.cell.height
    alike = 0.55 < line.cell.height / max(following.cell.height, 1.0) < 1.8
    said_again = squeeze(line.text)[:12] in squeeze(following.text)
    return line.kind in ("text", "name") and near and alike and not said_again and letters(line.text) >= 3


def _needs_more(lines: Sequence[Line], following: Line) -> bool:
    text = " ".join(line.text for line in lines)
    if text.count("(") > text.count(")") and ")" in following.text and following.kind in ("text", "name"):
        return True
    if lexicon.COMPANY.search(text):
        return False
    return following.kind in ("name", "text") and _ends_a_name([following]) and _begins(lines[-1], following)


def clean_name(text: str) -> str:
    """A name without registration number, leading label and stray marks; a misread "SDN BHD" is written right."""
    text = re.sub(r"^\W*\d{4,}\s+(?=\D)|^[^\w(&]+", "", text)
    company = list(lexicon.COMPANY.finditer(text))
    if company:
        text = re.sub(r"^[A-Za-z ]{2,20}:\s*(?=.*[A-Za-z]{3})", "", text[: company[-1].end()]) + _tail(
            text[company[-1].end() :]
        )
        text = _SDN_BHD.sub("SDN BHD", re.sub(r"(?<=[A-Za-z] )5/B\b|(?<=[A-Z])5/B\b", "S/B", text))
    else:
        text = re.sub(r"\s*[(\[{]\s*[A-Z]{0,3}\d[\w\- /]*[)\]}]?.*$", "", text, flags=re.IGNORECASE)
        text = re.sub(r"\s+[A-Z]{0,2}\d{5,}\s?-?\s?[A-Z]?\s*$", "", text)
    text = _ONE_FOR_I.sub("I", text if ")" in text else _OPEN_BRACKET.sub(r"\1)", text))
    return respelled(plain_form(text.strip(" -–:;,*=_~|#<")), lexicon.TRADE_WORDS)


def plain_form(text: str) -> str:
    """A name whose legal form an engine misread in the way that no form is written: "S.r.I." is "S.r.l."."""
    return _SRL.sub(lambda form: form["head"] + "l", text)


_SRL = re.compile(r"(?P<head>(?<![A-Za-z])(?:S\. ?r\. ?|s\. ?r\. ?))[I1|](?![A-Za-z])")


_ONE_FOR_I = re.compile(r"(?<![\w])1(?=[BCDFGHJ-NP-TV-Z][A-Z]{2,}(?![\w]))")
_OPEN_BRACKET = re.compile(r"(\([A-Z]{1,3})[I1lJ](?= )")
"""A closing bracket that was read as a letter: "(KLI SDN BHD"."""


_SDN_BHD = re.compile(r"\b[S5][DOBE]N\.? ?[BD3]H[DO]\b", re.IGNORECASE)


def _tail(text: str) -> str:
    """What stands after a legal form, where it is part of the name and not a number."""
    numbers = digits(text) >= 4 or (text.strip()[:1] in ("(", "[", "<", "{") and digits(text) >= 1)
    return "" if numbers or letters(text) < 2 or text.strip().upper().startswith("FKA") else text


def _company_elsewhere(pages: Sequence[Page]) -> Found | None:
    """A line with a legal form anywhere, the lowest first: chains print it at the foot."""
    for page in reversed(pages):
        for row in reversed(page.rows):
            match = lexicon.COMPANY.search(row.text)
            if (
                match
                and letters(row.text[: match.start()]) >= 3
                and len(row.text) < 60
                and not is_priced(row)
            ):
                return Found(clean_name(row.text), row.blocks, 0.4)
    return None


def _address(lines: Sequence[Line], start: int) -> Found | None:
    """The run of address lines that begins soonest after the name."""
    picked: list[Line] = []
    pending: list[Line] = []
    for line in lines[start:]:
        more = bool(picked) and line.kind == "text" and address_score(line.text) >= 1.0
        if more or (line.kind == "address" and letters(line.text) + digits(line.text) >= 3):
            picked += [*pending, line] if picked else [line]
            pending = []
        elif picked:
            if line.kind in ("text", "slogan") and len(pending) < 1 and not lexicon.TITLE.match(line.text):
                pending.append(line)
            elif line.kind == "number":
                picked += [line] if re.fullmatch(r"\W*\d{5}\W*", line.text) else []
            else:
                break
        if len(picked) >= _MAX_ADDRESS_LINES or (picked and _COUNTRY_LAST.search(picked[-1].text)):
            break
    if not picked:
        return None
    text = ", ".join(clean_address(line.text) for line in picked)
    strength = sum(address_score(line.text) for line in picked)
    if strength < 2.0:
        return None
    return Found(text, _blocks(picked), min(strength / 8, 1.0))


def clean_address(text: str) -> str:
    """An address line without phone, label and stray marks at its ends."""
    text = re.sub(r"^(?:address|addr|add|anschrift|adresse)\s*[:.]\s*", "", text, flags=re.IGNORECASE)
    phone = re.search(r"\b(?:tel|phone|hp|fax)\b\s*[:.]?\s*[+\d]", text, re.IGNORECASE)
    if phone:
        text = text[: phone.start()]
    text = _LOT.sub("Lot", _ONE_FOR_L.sub("l", _O_FOR_NOUGHT.sub("0", text)))
    return respelled(text.strip(" ,;:-*=_~|"), lexicon.PLACE_WORDS)


_ONE_FOR_L = re.compile(r"(?<=\b[A-Za-z])1(?=[a-z]+\b)")
_O_FOR_NOUGHT = re.compile(r"(?<=\b\d{4})[Oo](?!\w)|(?<=\b\d{3})[Oo](?=\d\b)")
_LOT = re.compile(r"^(?:[1lI]\.?ot|L[o0][ti1])(?= \d)")


def respelled(text: str, known: tuple[str, ...]) -> str:
    """Words of six letters or more that are one letter away from a known word, written as that word."""
    return _LONG_WORD.sub(lambda m: _known_spelling(m.group(), known), text)


_LONG_WORD = re.compile(r"[^\W\d_]{6,}")


def _known_spelling(word: str, known: tuple[str, ...]) -> str:
    lower = word.lower()
    if lower in known:
        return word
    near = [k for k in known if Levenshtein.distance(lower, k, score_cutoff=1) == 1 and len(k) == len(word)]
    if len(near) != 1:
        return word
    return near[0].upper() if word.isupper() else near[0].capitalize() if word[0].isupper() else near[0]
