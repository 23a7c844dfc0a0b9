"""Which document type some pages are, by the words its schema lists and the shape of the first page. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_ops.grammar.words import fold
from ocr_ops.model import ReadPage, Schema
from ocr_ops.segments import segments_of

NARROW = 1.9
"""Height over width from which a first page is a till roll rather than a sheet of paper."""

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
    size = pages[0].image.size
    narrow = size.height / size.width >= NARROW
    if narrow:
        return SHAPE_SAYS if wanted == "narrow" else -SHAPE_SAYS
    return 0.0 if wanted == "narrow" else SHEET_SAYS
