"""A few known lines of a page's picture, read by the embedded recogniser alone: no search for text, no orientation.

In: the picture (`decoded`) and boxes in its pixels, each around one level line. Out: one text a box, in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import cv2
import numpy as np

from ocr_ops.engines.embedded import EmbeddedEngine, line_reader
from ocr_ops.engines.line_reader import QUICK_REVISION, QUICK_WIDTHS
from ocr_ops.engines.rapid import Picture
from ocr_ops.model import PixelBox

__all__ = ["decoded", "glance", "identity", "read_lines", "read_sizes"]

MARGIN, SIDE_MARGIN = 0.15, 0.6
"""Paper above and beside a line, in heights of the line: glyphs reach out of their boxes, the recogniser wants some white,
and a digit put before or after a number must come into view."""

LARGER = 2
WIDTHS = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
"""Input widths of the recogniser: the next one that a line fits into. Narrower steps would take less time and show fewer misread
digits: of 93 doubtful values of the development documents four were misread, and these widths show all four."""


@cache
def identity() -> Mapping[str, str]:
    """What decides a reading, as plain strings."""
    widths = " ".join(map(str, WIDTHS))
    return {
        **EmbeddedEngine().identity,
        "margins": f"{MARGIN} {SIDE_MARGIN}",
        "widths": widths,
        "quick": QUICK_REVISION,
    }


def decoded(picture: bytes) -> Picture:
    """Pixels exactly as stored, one channel where the picture has no more; ValueError when these are no picture."""
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), flags) if picture else None
    if pixels is None:
        raise ValueError("the recogniser was handed bytes that are no picture")
    return np.asarray(pixels, np.uint8)


def read_lines(pixels: Picture, boxes: Sequence[PixelBox]) -> list[str]:
    """Read one line a box; nothing where a box holds no pixel."""
    return _read(pixels, boxes, WIDTHS, quick=False)


def glance(pixels: Picture, boxes: Sequence[PixelBox]) -> list[str]:
    """Read one short line of plain type a box in half the time; what this misses, `read_lines` may still see."""
    return _read(pixels, boxes, QUICK_WIDTHS, quick=True)


def _read(pixels: Picture, boxes: Sequence[PixelBox], widths: Sequence[int], *, quick: bool) -> list[str]:
    crops = [_crop(pixels, box) for box in boxes]
    if not any(crop.size for crop in crops):
        return [""] * len(crops)
    with line_reader(quick=quick) as reader:
        read = iter(reader.read_many([_coloured(crop) for crop in crops if crop.size], widths))
    return [next(read) if crop.size else "" for crop in crops]


def read_sizes(pixels: Picture, box: PixelBox) -> tuple[str, str]:
    """Read one line as it is, and at twice its size: what both say does not hang on how the picture was sampled.

    Nothing beside the box comes into view: an engine found it around the line, and the next words are not its.
    """
    crop = _coloured(pixels[box.y1 : box.y2, box.x1 : box.x2])
    if not crop.size:
        return "", ""
    doubled = cv2.resize(crop, None, fx=LARGER, fy=LARGER, interpolation=cv2.INTER_CUBIC)
    with line_reader(quick=False) as reader:
        ((as_is,), (larger,)) = (reader.read_many([one], WIDTHS) for one in (crop, doubled))
        return as_is, larger


def _crop(pixels: Picture, box: PixelBox) -> Picture:
    height, width = pixels.shape[:2]
    above, beside = (round(part * (box.y2 - box.y1)) + 1 for part in (MARGIN, SIDE_MARGIN))
    x1, x2 = max(box.x1 - beside, 0), min(box.x2 + beside, width)
    y1, y2 = max(box.y1 - above, 0), min(box.y2 + above, height)
    return pixels[y1:y2, x1:x2]


def _coloured(crop: Picture) -> Picture:
    """Three channels, as the recogniser wants them; of the crop alone, which is small."""
    channels = (1, 1, 3) if crop.ndim == 2 else (1, 1, 1)
    return np.ascontiguousarray(np.tile(np.atleast_3d(crop), channels))
