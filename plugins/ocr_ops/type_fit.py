"""How much room words need: estimates that hold for common sans-serif type, without any font.

In: texts, boxes, the page's size in pixels. Out: widths in ems, sizes of type in shares of the page's width.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from ocr_ops.model import GRID_MAX, GridBox, PixelSize
from ocr_ops.segments import Segment

TYPE = 0.78
"""Size of type as a share of the height of a printed line's box."""

_LINE = 1.2


def ems(text: str) -> float:
    """How wide a text is in common sans-serif type, in ems."""
    return sum(map(_em, text))


def wraps(lines: Sequence[Segment], size: PixelSize) -> bool:
    """Whether the words of some line need more lines than the model wrote, going by the box they were given."""
    kx, ky = size.width / GRID_MAX, size.height / GRID_MAX
    return any(
        len(line.text) > 8
        and _too_long(line.text, (line.box.x2 - line.box.x1) * kx, (line.box.y2 - line.box.y1) * ky)
        for line in lines
    )


def _too_long(text: str, width: float, height: float) -> bool:
    """A single line runs along the box's longer side, in type as large as the shorter one."""
    type_size, room = min(width, height) * TYPE, 1.8 * max(width, height)
    # no character is wider than an em: most lines need no measuring
    return type_size * len(text) > room and type_size * ems(text) > room


def fitted(widths: Sequence[float], box: GridBox, size: PixelSize, share: float = 1.0) -> float:
    """The largest type, in hundredths of the page's width, with which wrapped lines fit a box."""
    width = 100 * (box.x2 - box.x1) / GRID_MAX * share
    height = 100 * (box.y2 - box.y1) / GRID_MAX * size.height / size.width
    small, large = 0.2, 6.0
    for _ in range(12):
        middle = (small + large) / 2
        rows = sum(max(1, -(-em * middle * 1.08 // max(width, 0.1))) for em in widths)
        small, large = (middle, large) if rows * middle * _LINE <= height else (small, middle)
    return small


@lru_cache(maxsize=4096)
def _em(char: str) -> float:
    if char in " .,:;!|'ijlIft()[]/-":
        return 0.3
    if char in "mwMW@%":
        return 0.88
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if unicodedata.combining(char):
        return 0.0
    return 0.68 if char.isupper() else 0.55
