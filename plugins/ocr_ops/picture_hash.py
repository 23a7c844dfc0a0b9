"""What a page picture looks like, in 64 bits: two scans of one sheet differ in few of them.

The bytes of a picture come in, a signed 64-bit number goes out, as Postgres' `bigint` holds it. A difference hash: the
picture is shrunk to 9 x 8 grey dots, and each bit says whether a dot is darker than the one to its right. It survives
another resolution, another brightness and the noise of a scanner, and says nothing about what is written.
"""

from __future__ import annotations

import cv2
import numpy as np

from ocr_ops.page_pixels import PagePixels, Pixels, page_pixels

VERSION = "2"
"""Rises when the same picture would get another hash."""

_WIDTH, _HEIGHT = 9, 8
_ENOUGH = 256


def difference_hash(picture: bytes | PagePixels) -> int | None:
    """The hash of a picture, encoded or what `page_pixels` made of it; None where it cannot be decoded."""
    try:
        page = page_pixels(picture) if isinstance(picture, bytes) else picture
    except ValueError:
        return None
    dots = cv2.resize(_halved(page.values), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    grey = (dots if dots.ndim == 2 else cv2.cvtColor(dots, cv2.COLOR_BGR2GRAY)).astype(np.int16)
    bits = np.packbits(grey[:, :-1] < grey[:, 1:])
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def _halved(pixels: Pixels) -> Pixels:
    """No more dots than tell something: halving is ten times as fast as any other shrinking."""
    while min(pixels.shape[:2]) >= _ENOUGH:
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
    return pixels
