"""Every amount on the pages with the words that stand beside and above it.

In: laid-out pages and the decimal mark. Out: `Money` in reading order. Chooses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from ocr_ops.grammar.numbers import Amount, DecimalMark, find_amounts, tidy
from ocr_ops.grammar.words import letters
from ocr_ops.readers.layout.lexicon import concepts
from ocr_ops.readers.layout.page import Cell, Page, Row

_CURRENCY_WORD = re.compile(
    r"(?<![A-Za-z])(?:RM|RH|MYR|EUR|EURO|USD|CHF|SGD|INR|Rs)(?![A-Za-z])[.:]?|[€$£¥₹]", re.IGNORECASE
)
_BLANKS = re.compile(r"\s+")
_TRIM = " :;.=*-_|>~+@()[]"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount and its surroundings.

    `label`: words left of it on its line; `near`: words of the line just above or below when its own has none;
    `header`: words above it in its column. `place`: how many amounts stand left of it on the line.
    """

    amount: Amount
    cell: Cell
    row: int
    label: str
    label_blocks: tuple[str, ...]
    header: str
    near: str
    place: int
    row_amounts: int
    alone: bool

    @property
    def value(self) -> Decimal:
        """The amount itself."""
        return self.amount.value


def all_money(pages: Sequence[Page], mark: DecimalMark) -> tuple[Money, ...]:
    """All amounts, top to bottom and left to right."""
    return tuple(money for page in pages for money in _page_money(page, mark))


def _page_money(page: Page, mark: DecimalMark) -> Iterator[Money]:
    titles = [_titles(row) for row in page.rows]
    for row in page.rows:
        cell, header = None, ""
        for money in _row_money(row, mark):
            if money.cell is not cell:
                cell, header = money.cell, _above(money.cell, page, row, titles)
            near = "" if letters(money.label) >= 2 else _near_words(money.cell, page, row)
            yield replace(money, header=header, near=near) if header or near else money


def _row_money(row: Row, mark: DecimalMark) -> list[Money]:
    label: list[str] = []
    blocks: list[str] = []
    found: list[Money] = []
    amounts = [(cell, find_amounts(cell.text, mark)) for cell in row.cells]
    count = sum(a.looks_like_money for _, list_ in amounts for a in list_)
    for cell, in_cell in amounts:
        clean, place = tidy(cell.text), 0
        for amount in in_cell:
            words = clean[place : amount.start]
            if letters(words) >= 1:
                if _starts_anew(words, found):
                    label, blocks = [], []
                label.append(words)
                blocks.append(cell.block)
            text = clean_label(" ".join(label))
            found.append(
                Money(
                    amount, cell, row.index, text, tuple(dict.fromkeys(blocks)), "", "", len(found), count,
                    alone=letters(clean) <= 3,
                )
            )  # fmt: skip
            place = amount.end
        rest = clean[place:]
        if letters(rest) > 1:
            if _starts_anew(rest, found):
                label, blocks = [], []
            label.append(rest)
            blocks.append(cell.block)
    return found


def _starts_anew(words: str, found: Sequence[Money]) -> bool:
    """Whether a total's word after another number begins a label of its own: "Qty 1   Total 11.60"."""
    return bool(found) and not found[-1].amount.percent and bool(concepts(words) & {"total", "due"})


@lru_cache(maxsize=8192)
def clean_label(text: str) -> str:
    """Label words without currency, leaders and stray punctuation."""
    return _BLANKS.sub(" ", _CURRENCY_WORD.sub(" ", text)).strip(_TRIM)


def _titles(row: Row) -> list[tuple[Cell, str]]:
    """The cells of a line that may head a column, with their words."""
    return [(cell, title) for cell in row.cells if (title := _title_words(cell.text))]


def _above(cell: Cell, page: Page, row: Row, titles: Sequence[list[tuple[Cell, str]]]) -> str:
    """Words of the nearest cell above in this column that is not itself an amount, up to fourteen lines away."""
    place = row.index - page.rows[0].index
    words: list[str] = []
    last_y = cell.y1
    for upper in reversed(titles[max(0, place - 14) : place]):
        for other, title in upper:
            if other.x1 >= cell.x2 or other.x2 <= cell.x1:
                continue
            shared = min(other.x2, cell.x2) - max(other.x1, cell.x1)
            if shared <= 0.25 * min(other.x2 - other.x1, cell.x2 - cell.x1):
                continue
            if words and last_y - other.y2 > 1.2 * page.line:
                return " ".join(words)
            words.insert(0, title)
            last_y = other.y1
            break
        if len(words) >= 2:
            break
    return " ".join(words)


@lru_cache(maxsize=8192)
def _title_words(text: str) -> str:
    """Words that may head a column; nothing where there are none, or an amount among them."""
    if letters(text) < 2:
        return ""
    words = clean_label(text)
    return words if letters(words) >= 2 and not _holds_money(text) else ""


def _holds_money(text: str) -> bool:
    return any(amount.looks_like_money for amount in find_amounts(text))


def _near_words(cell: Cell, page: Page, row: Row) -> str:
    """The label of a neighbouring line that has words but no amount: a crumpled receipt's lines slip."""
    place = row.index - page.rows[0].index
    best, best_gap = "", 1.3 * page.line
    for step in (-1, 1):
        if not 0 <= place + step < len(page.rows):
            continue
        other = page.rows[place + step]
        text = " ".join(c.text for c in other.cells if c.x2 <= cell.x1 + 0.3 * (cell.x2 - cell.x1))
        gap = abs(sum(c.middle for c in other.cells) / len(other.cells) - cell.middle)
        if letters(text) >= 3 and gap < best_gap and not _holds_money(other.text):
            best, best_gap = clean_label(text), gap
    return best
