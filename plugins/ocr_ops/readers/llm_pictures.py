"""A page's picture -> the picture that a language model is shown: small enough for every known model, and no larger.

In: the encoded picture of a page as the audit store keeps it, already bounded. Out: a JPEG. The judge never looks at it.
"""

from __future__ import annotations

import io

from PIL import Image

from ocr_ops.readers.llm_peer import Picture

MOST_PAGES = 8
"""Pages shown of one document; the others are there as text."""
LONGEST_SIDE = 1568
"""Pixels; larger pictures are made smaller on the model's side anyway, at the price of the larger one."""
_QUALITY = 85


def shown(picture: bytes) -> Picture:
    """The page no larger than `LONGEST_SIDE`, upright as it came."""
    with Image.open(io.BytesIO(picture)) as image:
        page = image.convert("RGB")
    page.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    kept = io.BytesIO()
    page.save(kept, "JPEG", quality=_QUALITY)
    return Picture("image/jpeg", kept.getvalue())
