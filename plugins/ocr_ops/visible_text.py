"""Which characters of a PDF page a person sees, told from the page's picture and the order of painting.

In: boxes and colours of characters, the picture of the page, PyMuPDF's log of what was painted. Out: yes or no for each. White on
white, covered, clipped away, on a layer that is switched off: whatever the trick, the picture shows no ink of that colour
there. Two cases leave ink that is not the text's own: a picture on top, and other words printed over it.
What remains (digits drawn as lines, a font whose glyphs lie) shows only when the place is read: see `judge.witness`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""Height x width x 3, red, green, blue."""
Boxes = npt.NDArray[np.float64]
"""One row x1, y1, x2, y2 for each."""
Flags = npt.NDArray[np.bool_]

INK, DARK_TYPE = 190, 150
"""Grey (0..255) under which a pixel is ink, and under which type is dark: most type on most pages, judged in one go."""
MOST_INK = 0.6
"""Share of ink in a character's box from which it stands on a dark ground and is looked at singly."""
LEAST_CONTRAST, LEAST_INK = 20, 0.3
"""Difference between type and ground (0..255) that an eye sees, and the part of it that thin strokes must reach."""
BAND_PX = 96
"""Height of the bands in which ink is counted."""
OVERPRINTED = 0.5
"""Share of the smaller of two words under the other from which only the later one can be read."""
AT_ONCE = 64
"""Words that are compared with all the others at a time."""
ONE_SIZE = 2.5
"""Words that differ more in height stand on one another without a fight: a stamp, a watermark."""


def ink_seen(picture: Pixels, boxes: Boxes, colours: Sequence[int]) -> Flags:
    """Whether the picture shows each character in its own colour. `boxes` in pixels, `colours` as 0xRRGGBB."""
    x1, y1, x2, y2 = within = _inside(boxes, picture.shape)
    ink = np.zeros(len(boxes), np.int64)
    for part in _bands(y1):
        ink[part] = _ink_in(picture, *(side[part] for side in within))
    area = np.maximum((x2 - x1) * (y2 - y1), 1)
    rgb = _rgb(colours)
    dark = rgb @ np.array([0.299, 0.587, 0.114]) < DARK_TYPE
    seen: Flags = dark & (ink > 0) & (ink < MOST_INK * area)
    for n in np.flatnonzero(~seen):
        seen[n] = _stands_out(picture, boxes[n], rgb[n])
    return seen


def _bands(tops: Any) -> list[Any]:
    """Boxes that begin at about one height, by their places: counted together, in memory that the caches hold."""
    order = np.argsort(tops, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(tops[order] // BAND_PX)) + 1) if len(order) else []


def _ink_in(picture: Pixels, x1: Any, y1: Any, x2: Any, y2: Any) -> Any:
    """How many pixels of each box are ink."""
    top, left = min(y1.min(), picture.shape[0] - 1), min(x1.min(), picture.shape[1] - 1)
    band = picture[top : max(y2.max(), top + 1), left : max(x2.max(), left + 1)]
    grey = cv2.cvtColor(band, cv2.COLOR_RGB2GRAY)
    sums = cv2.integral(cv2.threshold(grey, INK - 1, 1, cv2.THRESH_BINARY_INV)[1])
    y1, y2, x1, x2 = y1 - top, y2 - top, x1 - left, x2 - left
    return sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]


def _rgb(colours: Sequence[int]) -> npt.NDArray[np.float64]:
    packed = np.asarray(colours, np.int64)
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=1).astype(np.float64)


def _inside(boxes: Boxes, shape: Sequence[int]) -> tuple[Any, Any, Any, Any]:
    """Whole pixels around each box, within the picture."""
    height, width = shape[:2]
    low, high = np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])
    return (
        low[:, 0].clip(0, width).astype(int),
        low[:, 1].clip(0, height).astype(int),
        high[:, 0].clip(0, width).astype(int),
        high[:, 1].clip(0, height).astype(int),
    )


def _stands_out(picture: Pixels, box: Boxes, colour: npt.NDArray[np.float64]) -> bool:
    """Whether pixels about a character go from the ground's colour towards its own."""
    margin = 0.25 * (box[3] - box[1]) * np.array([-1, -1, 1, 1])
    x1, y1, x2, y2 = (int(at[0]) for at in _inside((box + margin)[None], picture.shape))
    around = picture[y1:y2, x1:x2].reshape(-1, 3).astype(np.float64)
    if not len(around):
        return False
    ground = np.median(around, axis=0)
    towards = colour - ground
    if np.abs(towards).max() < LEAST_CONTRAST:
        return False
    own = picture[slice(*_span(box, 1, picture)), slice(*_span(box, 0, picture))].reshape(-1, 3) - ground
    return bool(len(own)) and float((own @ towards).max()) >= LEAST_INK * float(towards @ towards)


def _span(box: Boxes, axis: int, picture: Pixels) -> tuple[int, int]:
    size = picture.shape[1 - axis]
    return int(np.clip(np.floor(box[axis]), 0, size)), int(np.clip(np.ceil(box[axis + 2]), 0, size))


def under_pictures(boxes: Boxes, painted: Sequence[Any], see_through: Sequence[Any]) -> Flags:
    """Whether an opaque picture was painted over the middle of each box, and no text after it.

    `painted` is PyMuPDF's `get_bboxlog()`, `see_through` the boxes of pictures with transparent parts.
    """
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    covered = np.zeros(len(boxes), np.bool_)
    clear = {_rounded(box) for box in see_through}
    written = False
    for kind, box in painted:
        within = (middles >= box[:2]).all(axis=1) & (middles <= box[2:]).all(axis=1)
        if kind in ("fill-text", "stroke-text"):
            written = True
            covered &= ~within
        elif kind == "fill-image" and written and _rounded(box) not in clear:
            covered |= within
    return covered


def _rounded(box: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(at) for at in box)


def overprinted(boxes: Boxes, texts: Sequence[str]) -> list[str | None]:
    """What was printed over each word later, None for nothing; a word printed twice (merely bold) names itself."""
    over: list[str | None] = [None] * len(boxes)
    areas = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-9)
    heights = np.maximum(boxes[:, 3] - boxes[:, 1], 1e-9)
    for n, later in _touching(boxes):
        box = boxes[n]
        shared = (np.minimum(boxes[later, 2:], box[2:]) - np.maximum(boxes[later, :2], box[:2])).prod(axis=1)
        alike = np.abs(np.log(heights[later] / heights[n])) < np.log(ONE_SIZE)
        places = later[alike & (shared > OVERPRINTED * np.minimum(areas[later], areas[n]))]
        above = [texts[place] for place in places.tolist()]
        over[n] = next((text for text in above if text != texts[n]), above[0] if above else None)
    return over


def _touching(boxes: Boxes) -> Iterator[tuple[int, Any]]:
    """Each box that shares ground with later ones, and the places of those; few do on an honest page."""
    for start in range(0, len(boxes), AT_ONCE):
        some = boxes[start : start + AT_ONCE, None]
        meets: Any = (some[..., :2] < boxes[:, 2:]).all(axis=2) & (some[..., 2:] > boxes[:, :2]).all(axis=2)
        for n in np.flatnonzero(np.triu(meets, start + 1).any(axis=1)).tolist():
            yield start + n, np.flatnonzero(meets[n, start + n + 1 :]) + start + n + 1
