"""A page's picture with the blocks' boxes drawn in, and the evidence of fields marked with their names.

In: an encoded picture as `raster` made it (its size is bounded there), blocks, which blocks are evidence for what.
Out: a JPEG no larger than `LONGEST_SIDE` on either side. Draws no text of the document.
"""

from __future__ import annotations

import colorsys
import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ocr_ops.geometry import to_pixels
from ocr_ops.model import Block, PixelBox, PixelSize

VERSION = "3"
LONGEST_SIDE = 1600
"""Pixels of the longer side of an overlay at most."""
MAX_TAG = 40
"""Characters of a field's name that are drawn."""

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


def draw_overlay(picture: bytes, blocks: Iterable[Block], highlights: Mapping[str, str]) -> bytes:
    """Draw boxes coloured by label; blocks in `highlights` (block id to field name) thicker and tagged. Returns a JPEG."""
    image = _shrunk(picture)
    size = PixelSize(image.width, image.height)
    line = max(1, round(max(image.size) / 900))
    draw = ImageDraw.Draw(image, "RGBA")
    drawn = tuple(blocks)
    for block in drawn:
        if block.id not in highlights:
            _outline(draw, block, size, colour_of(block.label), line)
    for block in drawn:
        if block.id in highlights:
            _outline(draw, block, size, _EVIDENCE, 2 * line + 1, fill=28)
    words = _corners([to_pixels(box, size) for block in drawn for box in block.boxes])
    for block in drawn:
        if block.id in highlights and block.boxes:
            at = to_pixels(block.boxes[0], size)
            spot = _tag(draw, highlights[block.id][:MAX_TAG], at, size, words)
            words = np.vstack([words, _corners([spot])])
    return _jpeg(image)


def colour_of(label: str) -> Colour:
    """The colour of a label: known ones by hand, others by their name, always the same."""
    if known := _COLOURS.get(label.casefold()):
        return known
    hue = zlib.crc32(label.encode("utf-8", "replace")) % 360 / 360
    red, green, blue = colorsys.hls_to_rgb(hue, 0.4, 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)


def _shrunk(picture: bytes) -> Image.Image:
    with Image.open(io.BytesIO(picture)) as opened:
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        if max(opened.size) <= LONGEST_SIDE:
            return opened.convert("RGB")
        image = opened if opened.mode in ("RGB", "L") else opened.convert("RGB")
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX, reducing_gap=2.0)
        return image.convert("RGB")


def _outline(
    draw: ImageDraw.ImageDraw, block: Block, size: PixelSize, colour: Colour, line: int, fill: int = 0
) -> None:
    for box in block.boxes:
        px = to_pixels(box, size)
        grow = line // 2  # so that a thick line does not cover the words
        corners = (px.x1 - grow, px.y1 - grow, max(px.x2, px.x1) + grow, max(px.y2, px.y1) + grow)
        inside = (*colour, fill) if fill else None  # blending nothing takes as long as blending
        draw.rectangle(corners, fill=inside, outline=(*colour, 255), width=line)


def _tag(draw: ImageDraw.ImageDraw, text: str, box: PixelBox, size: PixelSize, words: Corners) -> PixelBox:
    """Write a field's name beside its box, where it hides the fewest words; returns the place it took."""
    font = _font(max(11, round((size.width * size.height) ** 0.5 / 75)))
    _, _, right, bottom = draw.textbbox((0, 0), text, font=font)
    spots = _spots(box, round(right) + 6, round(bottom) + 4, size)
    spot = spots[int(_hidden(_corners(spots), words).argmin())]
    draw.rectangle((spot.x1, spot.y1, spot.x2, spot.y2), fill=(*_EVIDENCE, 235))
    draw.text((spot.x1 + 3, spot.y1 + 1), text, font=font, fill=(255, 255, 255, 255))
    return spot


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


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    # whole colours, so that thin lines keep theirs; a PNG takes five times as long, which is felt where a GPU reads
    # twenty pages a second
    image.save(out, "JPEG", quality=85, subsampling=0)
    return out.getvalue()
