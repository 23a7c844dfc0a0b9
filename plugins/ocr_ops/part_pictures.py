"""Pictures of parts of a page, and where a page has no ink. The Pillow side of `parts`.

In: an encoded page picture as `raster` made it (its size is bounded there). Out: encoded pictures of parts, and rows
without ink. A JPEG stays a JPEG; everything else becomes PNG, which loses nothing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ocr_ops.codec import digest_of
from ocr_ops.model import PageImage, PixelBox, PixelSize

JPEG_QUALITY = 95
CONTRAST = 40
"""Difference from the paper, of 255, from which a dot is ink."""
BLANK_SHARE = 0.01
"""Share of a row's dots that may be ink all the same: rules of a table run through every gap between its rows."""
LEAST_GAP_PX = 3


def gaps_of(picture: bytes) -> tuple[tuple[int, int], ...]:
    """Runs of rows without ink, top to bottom: first row, and one past the last, in pixels of the picture."""
    with Image.open(io.BytesIO(picture)) as image:
        grey = np.asarray(image.convert("L"))
    rim = grey.shape[1] // 50
    dots = grey[:, rim : grey.shape[1] - rim]
    paper = int(np.median(dots[:: max(1, dots.shape[0] // 500)]))
    ink = ((dots < paper - CONTRAST) | (dots > paper + CONTRAST)).mean(axis=1)
    blank = np.concatenate(([False], ink <= BLANK_SHARE, [False]))
    edges = np.flatnonzero(blank[1:] != blank[:-1])
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return tuple((start, end) for start, end in runs if end - start >= LEAST_GAP_PX)


def part_pictures(
    page: PageImage, picture: bytes, areas: Sequence[PixelBox]
) -> tuple[tuple[PageImage, bytes], ...]:
    """Cut areas, in pixels of the page's picture, out of it; the page's number and dpi stay."""
    is_jpeg = page.media_type == "image/jpeg"
    found = []
    with Image.open(io.BytesIO(picture)) as image:
        for area in areas:
            part = image.crop((area.x1, area.y1, area.x2, area.y2))
            out = io.BytesIO()
            part.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0) if is_jpeg else part.save(out, "PNG")
            data = out.getvalue()
            media_type = "image/jpeg" if is_jpeg else "image/png"
            size = PixelSize(*part.size)
            found.append(
                (PageImage(page.number, digest_of(data), media_type, size, page.dpi, page.turn), data)
            )
    return tuple(found)
