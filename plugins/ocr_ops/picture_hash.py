"""What a page picture looks like, in 64 bits: two scans of one sheet differ in few of them.

The bytes of a picture come in, a signed 64-bit number goes out, as Postgres' `bigint` holds it. A difference hash: the
picture is shrunk to 9 x 8 grey dots, and each bit says whether a dot is darker than the one to its right. It survives
another resolution, another brightness and the noise of a scanner, and says nothing about what is written.
"""

from __future__ import annotations

import cv2
import numpy as np

VERSION = "1"
"""Rises when the same picture would get another hash."""

_WIDTH, _HEIGHT = 9, 8


def difference_hash(picture: bytes) -> int | None:
    """The hash of an encoded picture; None where it cannot be decoded."""
    if not picture:
        return None
    grey = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_2)
    if grey is None:
        return None
    dots = cv2.resize(grey, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = np.packbits(dots[:, :-1] < dots[:, 1:])
    return int.from_bytes(bits.tobytes(), "big", signed=True)
