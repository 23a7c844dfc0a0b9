"""A few known lines of a page's picture, read by the embedded recogniser alone: no search for text, no orientation.

In: the encoded picture and boxes in its pixels, each around one level line. Out: one text a box, in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from ocr_ops.engines.embedded import EmbeddedEngine, decoded, models_for
from ocr_ops.engines.rapid import Picture
from ocr_ops.model import PixelBox

MARGIN = 0.15
"""Paper around a line, in heights of the line: glyphs reach out of their boxes, and the recogniser wants some white."""


@cache
def identity() -> Mapping[str, str]:
    """What decides a reading, as plain strings."""
    return {**EmbeddedEngine().identity, "margin": str(MARGIN)}


def read_lines(picture: bytes, boxes: Sequence[PixelBox]) -> list[str]:
    """Read one line a box; nothing where a box holds no pixel. ValueError when the bytes are no picture."""
    if not boxes:
        return []
    pixels = decoded(picture)
    crops = [_crop(pixels, box) for box in boxes]
    with models_for() as models:
        return [models.read(crop).text if crop.size else "" for crop in crops]


def _crop(pixels: Picture, box: PixelBox) -> Picture:
    margin = round(MARGIN * (box.y2 - box.y1)) + 1
    height, width = pixels.shape[:2]
    x1, x2 = max(box.x1 - 2 * margin, 0), min(box.x2 + 2 * margin, width)
    y1, y2 = max(box.y1 - margin, 0), min(box.y2 + margin, height)
    return np.ascontiguousarray(pixels[y1:y2, x1:x2])
