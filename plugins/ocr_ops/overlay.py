"""A page's picture with the blocks' boxes drawn in, and the evidence of fields marked with their names.

In: an encoded picture as `raster` made it (its size is bounded there), blocks, which blocks are evidence for what.
Out: a JPEG no larger than `LONGEST_SIDE` on either side. Draws no text of the document.
"""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ocr_ops.geometry import to_pixels
from ocr_ops.model import Block, PixelBox, PixelSize
from ocr_ops.page_pixels import LONGEST_SIDE, PagePixels, Pixels, page_pixels

VERSION = "4"
MAX_TAG = 40
"""Characters of a field's name that are drawn."""

__all__ = ["LONGEST_SIDE", "MAX_TAG", "VERSION", "colour_of", "draw_overlay"]

Colour = tuple[int, int, int]
Corners = npt.NDArray[np.int64]
"""Boxes in pixels, one row x1, y1, x2, y2 for each."""

_COLOURS: Mapping[str, Colour] = {
    "text": (22, 104, 220),
    "title": (147, 51, 234),
    "sub_title": (147, 51, 234),
    "table": (13, 148, 136),
    "image": (120, 113, 108),
    "figure": (120, 113, 108),
}
_EVIDENCE: Colour = (214, 40, 40)
_FILL, _TAG_FILL = 0.11, 0.92
"""How much of its colour covers what is below it."""
_JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)  # fmt: skip


def draw_overlay(
    picture: bytes | PagePixels, blocks: Iterable[Block], highlights: Mapping[str, str]
) -> bytes:
    """Draw boxes coloured by label; blocks in `highlights` (block id to field name) thicker and tagged. Returns a JPEG.

    `picture`: encoded, or what `page_pixels` made of it; ValueError when it is none.
    """
    page = page_pixels(picture) if isinstance(picture, bytes) else picture
    pixels = _in_colour(page.values)
    size = PixelSize(pixels.shape[1], pixels.shape[0])
    line = max(1, round(max(pixels.shape) / 900))
    drawn = tuple(blocks)
    for block in drawn:
        if block.id not in highlights:
            _outline(pixels, block, size, colour_of(block.label), line)
    for block in drawn:
        if block.id in highlights:
            _outline(pixels, block, size, _EVIDENCE, 2 * line + 1, fill=_FILL)
    words = _corners([to_pixels(box, size) for block in drawn for box in block.boxes])
    for block in drawn:
        if block.id in highlights and block.boxes:
            at = to_pixels(block.boxes[0], size)
            spot = _tag(pixels, highlights[block.id][:MAX_TAG], at, size, words)
            words = np.vstack([words, _corners([spot])])
    return _jpeg(pixels)


def colour_of(label: str) -> Colour:
    """The colour of a label: known ones by hand, others by their name, always the same."""
    if known := _COLOURS.get(label.casefold()):
        return known
    hue = zlib.crc32(label.encode("utf-8", "replace")) % 360 / 360
    red, green, blue = colorsys.hls_to_rgb(hue, 0.4, 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)


def _in_colour(pixels: Pixels) -> Pixels:
    """A copy to draw on, blue first."""
    return (
        pixels.copy() if pixels.ndim == 3 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    )


def _outline(
    pixels: Pixels, block: Block, size: PixelSize, colour: Colour, line: int, fill: float = 0
) -> None:
    grow = line // 2  # so that a thick line does not cover the words
    ink = np.array(colour[::-1], np.uint8)
    for box in block.boxes:
        px = to_pixels(box, size)
        area = pixels[
            max(px.y1 - grow, 0) : max(px.y2, px.y1) + grow + 1,
            max(px.x1 - grow, 0) : max(px.x2, px.x1) + grow + 1,
        ]
        if fill:
            _shade(area, colour, fill)
        area[:line] = area[-line:] = area[:, :line] = area[:, -line:] = ink


def _shade(area: Pixels, colour: Colour, share: float) -> None:
    area[:] = cv2.LUT(area, _shades(colour, share))


@cache
def _shades(colour: Colour, share: float) -> Pixels:
    """What each value of each channel becomes below a colour that covers so much of it."""
    kept = np.arange(256)[None, :, None] * (1 - share)
    return np.round(kept + np.array(colour[::-1]) * share).astype(np.uint8)


def _tag(pixels: Pixels, text: str, box: PixelBox, size: PixelSize, words: Corners) -> PixelBox:
    """Write a field's name beside its box, where it hides the fewest words; returns the place it took."""
    letters = _letters(text, max(11, round((size.width * size.height) ** 0.5 / 75)))
    spots = _spots(box, letters.shape[1] - 1, letters.shape[0] - 1, size)
    spot = spots[int(_hidden(_corners(spots), words).argmin())]
    area = pixels[spot.y1 : spot.y2 + 1, spot.x1 : spot.x2 + 1]
    _shade(area, _EVIDENCE, _TAG_FILL)
    shown = letters[: area.shape[0], : area.shape[1]]
    area[:] = area + (255.0 - area) * shown[..., None]
    return spot


@lru_cache(maxsize=256)
def _letters(text: str, size: int) -> npt.NDArray[np.float32]:
    """How much of each dot of a tag its words cover, 0..1."""
    font = ImageFont.load_default(size)
    _, _, right, bottom = font.getbbox(text)
    note = Image.new("L", (round(right) + 7, round(bottom) + 5))
    ImageDraw.Draw(note).text((3, 1), text, font=font, fill=255)
    return np.asarray(note, np.float32) / np.float32(255)


def _spots(box: PixelBox, width: int, height: int, size: PixelSize) -> list[PixelBox]:
    """Places for a tag, best first: left and right of its box, above, below; all within the picture."""
    middle = (box.y1 + box.y2 - height) // 2
    wanted = (
        (box.x1 - width, middle), (box.x2, middle), (box.x1, box.y1 - height),
        (box.x2 - width, box.y1 - height), (box.x1, box.y2), (box.x2 - width, box.y2),
    )  # fmt: skip
    corners = [(max(0, min(x, size.width - width)), max(0, min(y, size.height - height))) for x, y in wanted]
    return [PixelBox(x, y, x + width, y + height) for x, y in corners]


def _corners(boxes: Sequence[PixelBox]) -> Corners:
    return np.array([(box.x1, box.y1, box.x2, box.y2) for box in boxes], np.int64).reshape(-1, 4)


def _hidden(spots: Corners, words: Corners) -> Corners:
    """How many pixels of words each spot covers."""
    one = spots[:, None]
    sides = np.minimum(one[..., 2:], words[:, 2:]) - np.maximum(one[..., :2], words[:, :2])
    return np.asarray(sides.clip(0).prod(axis=2).sum(axis=1), np.int64)


def _jpeg(pixels: Pixels) -> bytes:
    # whole colours, so that thin lines keep theirs; a PNG takes five times as long, which is felt where a GPU reads
    # twenty pages a second
    _, written = cv2.imencode(".jpg", pixels, _JPEG_OPTIONS)
    return written.tobytes()
