"""Which document type some pages are, by the words its schema lists and the shape of the first page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ocr_ops.grammar.words import fold
from ocr_ops.model import ReadPage, Schema
from ocr_ops.segments import segments_of

SLIP_LETTERS, SHEET_LETTERS = 58, 72
"""Letters that fit between the left and right ends of the text: till rolls hold up to 48 or 56 on a line, sheets of paper 80 and
more. Seen so, a slip is narrow whether it was scanned alone, on a sheet of paper, or cut short."""

NARROW = 1.9
"""Height over width from which a first page with too few words to measure is a till roll."""

FEWEST_LINES = 5

SHAPE_SAYS, SHEET_SAYS = 4.0, 1.0
"""What the shape counts beside words (a long word counts 2): a till roll is seldom anything else, a sheet may be all."""


def choose(pages: Sequence[ReadPage], schemas: Sequence[Schema]) -> Schema:
    """The schema whose words speak loudest; the first one where none says anything."""
    text = f" {fold(' '.join(segment.text for page in pages for segment in segments_of(page.blocks)))} "
    return max(schemas, key=lambda schema: _loudness(schema, text) + _shape(schema, pages))


def _loudness(schema: Schema, text: str) -> float:
    """Words found, each once; longer words say more than short ones that turn up anywhere."""
    words = {fold(word) for words in schema.type_words.values() for word in words}
    return sum(min(len(word), 12) / 6 for word in words if word and f" {word} " in text)


def _shape(schema: Schema, pages: Sequence[ReadPage]) -> float:
    wanted = schema.document.get("x-page-shape")
    if not pages or wanted is None:
        return 0.0
    narrow = _is_narrow(pages[0])
    if narrow:
        return SHAPE_SAYS if wanted == "narrow" else -SHAPE_SAYS
    return SHEET_SAYS if narrow is False and wanted == "sheet" else 0.0


def _is_narrow(page: ReadPage) -> bool | None:
    """Whether a page is a slip; None where its text is as wide as either might be."""
    lines = [s for s in segments_of(page.blocks) if len(s.text.strip()) > 3]
    if len(lines) < FEWEST_LINES:
        return page.image.size.height / page.image.size.width >= NARROW
    letter = median((s.box.x2 - s.box.x1) / len(s.text.strip()) for s in lines)
    across = max(s.box.x2 for s in lines) - min(s.box.x1 for s in lines)
    if across <= SLIP_LETTERS * letter:
        return True
    return False if across >= SHEET_LETTERS * letter else None
