"""The words a PDF page holds as text -> a reading like an engine's, where that text is what a person sees.

In: an upright PyMuPDF page. Out: a `RawPage` of lines in `ReplyFormat.LINES`, or none where the layer cannot be
trusted to be the page: too little of it, unreadable characters, a scan with a stamp, text under a picture. Text that a
person cannot see (invisible render mode, transparent, outside the page, smaller than `SMALLEST_PT`, or without ink of its
own in the picture: `visible_text`) is left out and reported, unless pictures cover the page: then it is what a scanner's
OCR put there, and our own reading counts. Hidden words without a number or a date are left out without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any
from unicodedata import category

import numpy as np
from pymupdf import mupdf

from ocr_ops.geometry import to_grid
from ocr_ops.grammar.dates import find_dates
from ocr_ops.grammar.numbers import find_amounts
from ocr_ops.model import Problem, ProblemKind, RawPage, ReplyFormat, Stage
from ocr_ops.mupdf import pymupdf
from ocr_ops.visible_text import Pixels, ink_seen, overprinted, under_pictures

ENGINE = "text-layer"
"""Who read a page that nobody looked at."""

FEWEST_CHARACTERS = 24
"""Visible characters below which a page is read as a picture."""
BAD_SHARE = 0.04
"""Share of replacement and private-use characters from which a layer is not what is printed."""
SCAN_SHARE, STAMP_CHARACTERS = 0.6, 400
"""A picture over that share of the page with fewer characters than that is a scan with a stamp or a header."""
SMALLEST_PT, FAINTEST_ALPHA = 2.0, 16
"""Type below that size in points, or below that opacity (0..255), is nothing a person reads."""
LEVEL_COSINE = 0.98
"""Lines of text that lean more than about 11 degrees are set apart: margins and watermarks, not table rows."""
WIDE_GAP, BREAK_GAP = 0.9, 0.5
"""Gaps in heights of the line that part two words: anywhere, and where the PDF itself starts a new line."""

_LOOK_DPI = 100
"""Resolution of a page that is drawn only to see what shows."""

_REPLACEMENT = "\ufffd"
_FLAGS = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_IGNORE_ACTUALTEXT
"""What is printed, glyph by glyph: ligatures taken apart, a glyph of no known character as U+FFFD and not as its number
in the font, no alternative text, and nothing clipped away silently."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word and its box in points of the upright page; `line` tells the PDF's own lines apart, `level` is false for
    text that runs up, down or across the page."""

    text: str
    x1: float
    y1: float
    x2: float
    y2: float
    line: tuple[int, int] = (0, 0)
    level: bool = True

    @property
    def height(self) -> float:
        """Height of the box in points."""
        return self.y2 - self.y1


@dataclass(frozen=True, slots=True)
class TextLayer:
    """A usable layer or None, and what should be known about the page's text."""

    raw: RawPage | None
    problems: tuple[Problem, ...] = ()


def text_layer_of(page: pymupdf.Page, number: int, picture: Pixels | None = None) -> TextLayer:
    """Read the text layer of an upright page (rotation removed); `picture` is the page drawn at any scale."""
    width, height = page.rect.width, page.rect.height
    pictures = page.get_image_info()
    words, hidden = _words(page, _drawn(page) if picture is None else picture, pictures)
    hidden += _switched_off(page)
    covered = _picture_share(page, pictures)
    problems = _hidden_problem(hidden, covered, number)
    if not is_usable(words, covered) or (covered >= SCAN_SHARE and _has_text_under_picture(page)):
        return TextLayer(None, problems)
    text = lines_json(words, width, height)
    raw = RawPage(number, ENGINE, "pymupdf", pymupdf.__version__, ReplyFormat.LINES, text)
    return TextLayer(raw, problems)


def is_usable(words: Sequence[Word], picture_share: float) -> bool:
    """Whether these words can stand for the page."""
    text = "".join(word.text for word in words)
    bad = sum(char == _REPLACEMENT or "\ue000" <= char <= "\uf8ff" or char < " " for char in text)
    if len(text) < FEWEST_CHARACTERS or bad > BAD_SHARE * len(text):
        return False
    return picture_share < SCAN_SHARE or len(text) >= STAMP_CHARACTERS


def lines_json(words: Iterable[Word], width: float, height: float) -> str:
    """Join words that stand on one line into segments, split at wide gaps, in reading order, as `ReplyFormat.LINES`.

    Text that is not level comes last, as the PDF has its lines.
    """
    words = list(words)
    level = (part for row in rows_of(word for word in words if word.level) for part in segments_of_row(row))
    leaning = groupby((word for word in words if not word.level), key=lambda word: word.line)
    segments = (*level, *(list(line) for _, line in leaning))
    lines = [_line(segment, width, height) for segment in segments]
    return json.dumps(lines, ensure_ascii=False)


def _line(segment: Sequence[Word], width: float, height: float) -> dict[str, Any]:
    box = to_grid(
        min(word.x1 for word in segment),
        min(word.y1 for word in segment),
        max(word.x2 for word in segment),
        max(word.y2 for word in segment),
        width,
        height,
    )
    text = " ".join(word.text for word in segment)
    return {"text": text, "box": [box.x1, box.y1, box.x2, box.y2], "score": None}


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
    return _side_by_side(row[-1], word) and not any(_stacked(other, word) for other in row)


def _side_by_side(one: Word, other: Word) -> bool:
    shared = min(one.y2, other.y2) - max(one.y1, other.y1)
    return shared > 0.5 * min(one.height, other.height)


def _stacked(one: Word, other: Word) -> bool:
    """Whether one stands below the other: two lines that tall type beside them would make one."""
    shared = min(one.x2, other.x2) - max(one.x1, other.x1)
    return shared > 0.2 * min(one.x2 - one.x1, other.x2 - other.x1) and not _side_by_side(one, other)


def _drawn(page: pymupdf.Page) -> Pixels:
    pixmap = page.get_pixmap(dpi=_LOOK_DPI, alpha=False, colorspace=pymupdf.csRGB)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


def _words(
    page: pymupdf.Page, picture: Pixels, pictures: Sequence[dict[str, Any]]
) -> tuple[list[Word], list[Word]]:
    """The words that a person can see, and those that nobody can."""
    lines, sheet = list(_lines(page)), page.rect
    _mark_ink(sheet, picture, [span for _, line in lines for span in line["spans"]])
    seen: list[Word] = []
    hidden: list[Word] = []
    for place, line in lines:
        level = line["dir"][0] >= LEVEL_COSINE
        for visible, characters in _runs(line):
            word = _word(characters, place, level)
            (seen if visible and _is_on(sheet, word) else hidden).append(word)
    over = _over(page, seen, pictures)
    hidden += (word for word, above in zip(seen, over, strict=True) if above not in (None, word.text))
    return [word for word, above in zip(seen, over, strict=True) if above is None], hidden


def _is_on(sheet: pymupdf.Rect, word: Word) -> bool:
    """Whether the middle of a word lies on the page."""
    across, down = (word.x1 + word.x2) / 2, (word.y1 + word.y2) / 2
    return bool(sheet.x0 <= across < sheet.x1 and sheet.y0 <= down < sheet.y1)


def _switched_off(page: pymupdf.Page) -> list[Word]:
    """Words on layers that are off: MuPDF neither draws nor reads them until somebody switches them on."""
    pdf = pymupdf._as_pdf_document(page.parent)
    off = [n for n in range(mupdf.pdf_count_layers(pdf)) if not mupdf.pdf_layer_is_enabled(pdf, n)]
    if not off:
        return []
    shown = {word[:5] for word in page.get_text("words")}
    try:
        for layer in off:
            mupdf.pdf_enable_layer(pdf, layer, 1)
        every = page.get_text("words")
    finally:
        for layer in off:
            mupdf.pdf_enable_layer(pdf, layer, 0)
    new = (word for word in every if word[:5] not in shown)
    return [Word(text, x1, y1, x2, y2, (block, line)) for x1, y1, x2, y2, text, block, line, _ in new]


def _mark_ink(sheet: pymupdf.Rect, picture: Pixels, spans: Sequence[dict[str, Any]]) -> None:
    """Note at each letter and digit whether the picture shows it.

    Signs go with what stands before them, and so do the letters without a width into which ligatures are taken apart.
    """
    known = [(span, one) for span in spans for one in span["chars"] if one["c"].isalnum() and _width(one) > 0]
    scale = np.array([picture.shape[1] / sheet.width, picture.shape[0] / sheet.height] * 2)
    boxes = np.array([one["bbox"] for _, one in known]).reshape(-1, 4) * scale
    seen = ink_seen(picture, boxes, [span["color"] for span, _ in known])
    for (_, one), visible in zip(known, seen.tolist(), strict=True):
        one["ink"] = visible
    for span in spans:
        unknown = not any(one["c"].isalnum() for one in span["chars"])
        before = next((one["ink"] for one in span["chars"] if "ink" in one), unknown)
        for one in span["chars"]:
            before = one.setdefault("ink", before)


def _width(character: dict[str, Any]) -> float:
    return float(character["bbox"][2] - character["bbox"][0])


def _over(page: pymupdf.Page, words: Sequence[Word], pictures: Sequence[dict[str, Any]]) -> list[str | None]:
    """What was painted over each word: other words, nothing readable ("") for a picture, None for nothing."""
    if not words:
        return []
    boxes = np.array([(word.x1, word.y1, word.x2, word.y2) for word in words])
    level = [n for n, word in enumerate(words) if word.level]
    over: list[str | None] = [None] * len(words)
    for n, above in zip(level, overprinted(boxes[level], [words[n].text for n in level]), strict=True):
        over[n] = above
    if pictures:
        clear = [info["bbox"] for info in pictures if info.get("has-mask")]
        for n in np.flatnonzero(under_pictures(boxes, page.get_bboxlog(), clear)).tolist():
            over[n] = ""
    return over


def _lines(page: pymupdf.Page) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    blocks = page.get_text("rawdict", clip=pymupdf.INFINITE_RECT(), flags=_FLAGS)["blocks"]
    for block_number, block in enumerate(blocks):
        for line_number, line in enumerate(block.get("lines", ())):
            yield (block_number, line_number), line


def _runs(line: dict[str, Any]) -> Iterator[tuple[bool, list[dict[str, Any]]]]:
    """The characters of one line between white space, parted also where visible text ends; whether each run is visible."""
    run: list[dict[str, Any]] = []
    before: tuple[bool, bool] | None = None
    for span in line["spans"]:
        drawn = span["alpha"] >= FAINTEST_ALPHA and span["size"] >= SMALLEST_PT
        for character in span["chars"]:
            now = (drawn and character["ink"], character["c"].isspace())
            if now != before and before is not None:
                if not before[1]:
                    yield before[0], run
                run = []
            before = now
            run.append(character)
    if before is not None and not before[1]:
        yield before[0], run


def _word(characters: Sequence[dict[str, Any]], place: tuple[int, int], level: bool) -> Word:
    lefts, tops, rights, bottoms = zip(*[character["bbox"] for character in characters], strict=True)
    text = "".join([character["c"] for character in characters])
    if not text.isprintable():
        text = "".join(_REPLACEMENT if category(char) in ("Cc", "Cs") else char for char in text)
    return Word(text, min(lefts), min(tops), max(rights), max(bottoms), place, level)


def _has_text_under_picture(page: pymupdf.Page) -> bool:
    """Whether text is painted before a picture that covers the page: some scanners hide theirs so."""
    text_before = False
    for kind, box in page.get_bboxlog():
        text_before = text_before or kind in ("fill-text", "stroke-text")
        if kind == "fill-image" and text_before and _share(page, box) >= SCAN_SHARE:
            return True
    return False


def _hidden_problem(words: Sequence[Word], picture_share: float, number: int) -> tuple[Problem, ...]:
    """What to tell of hidden words. Printers' marks and generators' names lie hidden on honest pages: what holds no number
    and no date is nobody's value, and leaving it out is enough."""
    lines = (" ".join(word.text for word in line) for _, line in groupby(words, key=lambda word: word.line))
    if picture_share >= SCAN_SHARE or not any(_holds_a_value(line) for line in lines):
        return ()
    characters = sum(len(word.text) for word in words)
    detail = f"page {number} holds {characters} characters that a person cannot see; they were left out"
    return (Problem(Stage.OPEN, ProblemKind.HIDDEN_TEXT, detail, page=number),)


def _holds_a_value(line: str) -> bool:
    return bool(find_amounts(line)) or any(not day.compact for day in find_dates(line))


def _picture_share(page: pymupdf.Page, pictures: Sequence[dict[str, Any]]) -> float:
    """Share of the page that its pictures cover, 0..1; a scan may come in strips, so they are added up."""
    return min(sum(_share(page, info["bbox"]) for info in pictures), 1.0)


def _share(page: pymupdf.Page, box: Sequence[float]) -> float:
    area = abs(page.rect)
    return abs(pymupdf.Rect(box) & page.rect) / area if area else 0.0
