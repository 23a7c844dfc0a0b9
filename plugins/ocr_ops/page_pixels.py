"""An encoded page picture -> pixels, no larger than a person or a hash looks at.

In: a JPEG or PNG as `raster` keeps pages, upright by its pixels. Out: grey or BGR bytes. Keeps nothing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

LONGEST_SIDE = 1600
"""Pixels of the longer side at most."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class PagePixels:
    """A page picture decoded: rows of grey dots, or of dots with three channels, blue first."""

    values: Pixels


def page_pixels(picture: bytes) -> PagePixels:
    """The pixels of a page, shrunk to `LONGEST_SIDE`; ValueError on bytes that are no picture."""
    try:
        with Image.open(io.BytesIO(picture)) as header:
            longest, is_jpeg = max(header.size), header.format == "JPEG"
    except (OSError, SyntaxError) as problem:
        raise ValueError("these bytes are no picture") from problem
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if is_jpeg and longest >= 2 * LONGEST_SIDE:  # a JPEG gives means of its dots for less than all of them
        flags |= cv2.IMREAD_REDUCED_GRAYSCALE_2
    found: Any = cv2.imdecode(np.frombuffer(picture, np.uint8), flags)
    if found is None:
        raise ValueError("these bytes are no picture")
    return PagePixels(_shrunk(found))


def _shrunk(pixels: Any) -> Pixels:
    height, width = pixels.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return np.asarray(pixels, np.uint8)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
