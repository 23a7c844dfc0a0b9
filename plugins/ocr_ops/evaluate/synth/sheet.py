"""Text placed on one page of a PDF, and where each piece of it stands.

Positions are PDF points from the top left corner; `Placed.box` is the ink's line box. Fonts are those that PyMuPDF brings, so that every
machine draws the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from ocr_ops.evaluate.synth.words import MONTHS, Country
from ocr_ops.mupdf import pymupdf


@dataclass(frozen=True, slots=True)
class Placed:
    """One piece of text and its place in points; `field` is the pointer whose value it is, or empty."""

    text: str
    box: tuple[float, float, float, float]
    field: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn page: the PDF and its size in points, what stands on it, and the truth by field."""

    pdf: bytes
    width: float
    height: float
    placed: tuple[Placed, ...]


@lru_cache(maxsize=8)
def _font(name: str) -> pymupdf.Font:
    return pymupdf.Font(name)


class Sheet:
    """A page being written. `y` is the baseline of the next row."""

    def __init__(self, width: float, height: float, family: str, size: float) -> None:
        self.document = pymupdf.open()
        self.page = self.document.new_page(width=width, height=height)
        self.writer = pymupdf.TextWriter(self.page.rect)
        self.width, self.size, self.family = width, size, family
        self.y = 0.0
        self.placed: list[Placed] = []

    def put(self, x: float, text: str, *, field: str = "", bold: bool = False, scale: float = 1.0) -> float:
        """Write text whose left end is at `x` on the current row; returns its right end."""
        font, size = self._font(bold=bold), self.size * scale
        self.writer.append((x, self.y), text, font, size)
        right = x + float(font.text_length(text, size))
        self.placed.append(Placed(text, (x, self.y - 0.76 * size, right, self.y + 0.22 * size), field))
        return right

    def put_right(
        self, x: float, text: str, *, field: str = "", bold: bool = False, scale: float = 1.0
    ) -> None:
        """Write text whose right end is at `x`."""
        length = self._font(bold=bold).text_length(text, self.size * scale)
        self.put(x - length, text, field=field, bold=bold, scale=scale)

    def put_middle(self, text: str, *, field: str = "", bold: bool = False, scale: float = 1.0) -> None:
        """Write text in the middle of the page."""
        length = self._font(bold=bold).text_length(text, self.size * scale)
        self.put((self.width - length) / 2, text, field=field, bold=bold, scale=scale)

    def rule(self, x1: float, x2: float) -> None:
        """Draw a thin line a little above the next row."""
        y = self.y - self.size * 0.9
        self.page.draw_line((x1, y), (x2, y), width=0.6)

    def down(self, rows: float = 1.0) -> None:
        """Go down by rows of one and a half times the text's size."""
        self.y += rows * self.size * 1.5

    def drawing(self, *, cut: bool = False) -> Drawing:
        """Close the page; with `cut`, tear it off below what was written."""
        self.writer.write_text(self.page)
        if cut:
            self.page.set_cropbox(pymupdf.Rect(0, 0, self.width, self.y + 3 * self.size))
        self.document.set_metadata({"creationDate": "D:20250101000000Z"})
        self.document.subset_fonts()
        pdf = bytes(self.document.tobytes(garbage=3, deflate=True, no_new_id=True))
        rect = self.page.rect
        return Drawing(pdf, rect.width, rect.height, tuple(self.placed))

    def _font(self, *, bold: bool) -> pymupdf.Font:
        return _font(
            {"mono": ("cour", "cobo"), "sans": ("helv", "hebo"), "serif": ("tiro", "tibo")}[self.family][bold]
        )


def money(amount: Decimal, country: Country, *, sign: bool = False) -> str:
    """An amount the country's way; the currency stands before or behind it."""
    text = f"{amount:,.2f}".translate(str.maketrans(",.", country.thousands + country.point))
    if not sign:
        return text
    return f"{country.sign}{text}" if country.sign in "£$" else f"{text} {country.sign}"


def printed_date(day: date, form: str) -> str:
    """A date in a strftime form, with English month names whatever the machine's language."""
    return day.strftime(form.replace("%B", MONTHS[day.month - 1]))
