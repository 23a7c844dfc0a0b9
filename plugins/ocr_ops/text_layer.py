"""The words a PDF page holds as text -> a reading like an engine's, where that text is what a person sees.

In: an upright PyMuPDF page. Out: a `RawPage` of lines in `ReplyFormat.LINES`, or none where the layer cannot be
trusted to be the page: too little of it, unreadable characters, a scan with a stamp. Text that a person cannot see
(invisible render mode, fully transparent, outside the page, smaller than `SMALLEST_PT`) is left out and reported,
unless a picture covers the page: then it is the text layer that a scanner's OCR put under it, and our own reading counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pymupdf

from ocr_ops.geometry import to_grid
from ocr_ops.model import Problem, ProblemKind, RawPage, ReplyFormat, Stage

FEWEST_CHARACTERS = 24
"""Visible characters below which a page is read as a picture."""
BAD_SHARE = 0.04
"""Share of replacement and private-use characters from which a layer is not what is printed."""
SCAN_SHARE, STAMP_CHARACTERS = 0.6, 400
"""A picture over that share of the page with fewer characters than that is a scan with a stamp or a header."""
SMALLEST_PT = 2.0
WIDE_GAP, BREAK_GAP = 0.9, 0.5
"""Gaps in heights of the line that part two words: anywhere, and where the PDF itself starts a new line."""

_INVISIBLE = 3
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Word:
    """One word and its box in points of the upright page; `line` tells the PDF's own lines apart."""

    text: str
    x1: float
    y1: float
    x2: float
    y2: float
    line: tuple[int, int] = (0, 0)

    @property
    def height(self) -> float:
        """Height of the box in points."""
        return self.y2 - self.y1


@dataclass(frozen=True, slots=True)
class TextLayer:
    """A usable layer or None, and what should be known about the page's text."""

    raw: RawPage | None
    problems: tuple[Problem, ...] = ()


def text_layer_of(page: pymupdf.Page, number: int) -> TextLayer:
    """Read the text layer of an upright page (rotation removed)."""
    width, height = page.rect.width, page.rect.height
    hidden = _hidden_boxes(page)
    words = [word for word in _words(page) if not _is_within(word, hidden)]
    covered = _picture_share(page)
    problems = _hidden_problem(sum(count for _, count in hidden), covered, number)
    if not is_usable(words, covered):
        return TextLayer(None, problems)
    text = lines_json(words, width, height)
    raw = RawPage(number, "text-layer", "pymupdf", pymupdf.__version__, ReplyFormat.LINES, text)
    return TextLayer(raw, problems)


def is_usable(words: Sequence[Word], picture_share: float) -> bool:
    """Whether these words can stand for the page."""
    text = "".join(word.text for word in words)
    bad = sum(char == _REPLACEMENT or "\ue000" <= char <= "\uf8ff" or char < " " for char in text)
    if len(text) < FEWEST_CHARACTERS or bad > BAD_SHARE * len(text):
        return False
    return picture_share < SCAN_SHARE or len(text) >= STAMP_CHARACTERS


def lines_json(words: Iterable[Word], width: float, height: float) -> str:
    """Join words that stand on one line into segments, split at wide gaps, in reading order, as `ReplyFormat.LINES`."""
    lines = []
    for segment in (part for row in rows_of(words) for part in segments_of_row(row)):
        box = to_grid(
            segment[0].x1,
            min(word.y1 for word in segment),
            max(word.x2 for word in segment),
            max(word.y2 for word in segment),
            width,
            height,
        )
        text = " ".join(word.text for word in segment)
        lines.append({"text": text, "box": [box.x1, box.y1, box.x2, box.y2], "score": None})
    return json.dumps(lines, ensure_ascii=False)


def rows_of(words: Iterable[Word]) -> list[list[Word]]:
    """Words grouped by printed line, top to bottom, each line from left to right."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda w: ((w.y1 + w.y2) / 2, w.x1)):
        row = rows[-1] if rows else None
        if row is not None and _on_line(row, word):
            row.append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda w: w.x1) for row in rows]


def segments_of_row(row: Sequence[Word]) -> list[list[Word]]:
    """One printed line cut where a gap is wider than words of one phrase ever stand apart."""
    parts = [[row[0]]]
    for before, word in pairwise(row):
        gap = (word.x1 - before.x2) / max(min(before.height, word.height), 1e-6)
        apart = gap > WIDE_GAP or (gap > BREAK_GAP and before.line != word.line)
        if apart:
            parts.append([word])
        else:
            parts[-1].append(word)
    return parts


def _on_line(row: Sequence[Word], word: Word) -> bool:
    last = row[-1]
    shared = min(last.y2, word.y2) - max(last.y1, word.y1)
    return shared > 0.5 * min(last.height, word.height)


def _words(page: pymupdf.Page) -> list[Word]:
    area = page.rect
    found = []
    for x1, y1, x2, y2, text, block, line, _ in page.get_text("words"):
        middle = pymupdf.Point((x1 + x2) / 2, (y1 + y2) / 2)
        if text.strip() and middle in area and y2 - y1 >= SMALLEST_PT:
            found.append(Word(text, x1, y1, x2, y2, (block, line)))
    return found


def _hidden_boxes(page: pymupdf.Page) -> list[tuple[Any, int]]:
    """Boxes of text that is there and cannot be seen, with how many characters each holds."""
    hidden = []
    for span in page.get_texttrace():
        unseen = span["type"] == _INVISIBLE or span["opacity"] == 0 or span["size"] < SMALLEST_PT
        box = pymupdf.Rect(span["bbox"])
        if unseen or not (box & page.rect).is_valid or (box & page.rect).is_empty:
            characters = sum(not chr(char[0]).isspace() for char in span["chars"])
            if characters:
                hidden.append((box, characters))
    return hidden


def _is_within(word: Word, hidden: Sequence[tuple[Any, int]]) -> bool:
    middle = pymupdf.Point((word.x1 + word.x2) / 2, (word.y1 + word.y2) / 2)
    return any(middle in box for box, _ in hidden)


def _hidden_problem(characters: int, picture_share: float, number: int) -> tuple[Problem, ...]:
    if characters == 0 or picture_share >= SCAN_SHARE:
        return ()
    detail = f"page {number} holds {characters} characters that a person cannot see; they were left out"
    return (Problem(Stage.OPEN, ProblemKind.HIDDEN_TEXT, detail, page=number),)


def _picture_share(page: pymupdf.Page) -> float:
    """Share of the page that its largest picture covers, 0..1."""
    area = abs(page.rect)
    shares = (abs(pymupdf.Rect(info["bbox"]) & page.rect) / area for info in page.get_image_info())
    return max(shares, default=0.0) if area else 0.0
