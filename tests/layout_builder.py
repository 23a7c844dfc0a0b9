"""Small pages written by hand for the layout reader's tests: lines of text at places on the grid."""

from __future__ import annotations

from collections.abc import Iterable

from ocr_ops.codec import digest_of
from ocr_ops.model import Block, Candidate, GridBox, PageImage, PixelSize, ReadPage

Line = tuple[float, float, str]
"""Left edge and top on the grid, and the words."""


def page(
    lines: Iterable[Line], *, number: int = 1, slope: float = 0.0, line: float = 18.0, char: float = 13.0
) -> ReadPage:
    """A page with one block a line of text; `slope` tips the lines, as a crooked scan does (grid units per unit)."""
    blocks = tuple(
        Block(
            f"p{number:03d}.b{n:03d}",
            "text",
            (_box(x, y + slope * (x + char * len(text) / 2), char * len(text), line),),
            text,
            0.98,
        )
        for n, (x, y, text) in enumerate(lines, start=1)
    )
    return read_page(blocks, number)


def read_page(blocks: tuple[Block, ...], number: int = 1) -> ReadPage:
    """A page of given blocks."""
    image = PageImage(number, digest_of(b"picture"), "image/png", PixelSize(1000, 1400), 200.0)
    return ReadPage(image, (), blocks)


def values(candidate: Candidate) -> dict[str, str]:
    """A candidate's values by path."""
    return {reading.path: reading.value for reading in candidate.readings}


def _box(x: float, y: float, width: float, height: float) -> GridBox:
    return GridBox(x, max(y, 0.0), min(x + width, 999.0), min(y + height, 999.0))
