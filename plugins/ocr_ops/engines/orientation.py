"""Tell from what a detector and a recogniser saw whether a page lies on its side or on its head.

In: corner points of text boxes in pixels, and the recogniser's scores for a few of them. Out: answers. No model is
run here and no picture touched.

On real scans an upright page reads its widest lines with a median score of 0.93 or more, the same page on its head
with 0.76 or less, and lines lying on their side are boxes taller than wide with over 0.95 of all line length. So a
page in order is known to be so from readings that are needed anyway, and costs nothing extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from ocr_ops.engines.reading_order import Quads, sides

TALL = 1.5
"""A box this many times higher than wide is a line on its side (or a single thin letter, which weighs little)."""

SIDEWAYS_SHARE = 0.6
SURE = 0.88
BETTER_BY = 0.03
SAMPLE = 6


def is_sideways(quads: Quads) -> bool:
    """Whether most of the line length on the page runs up or down."""
    if not len(quads):
        return False
    widths, heights = sides(quads)
    lengths = np.maximum(widths, heights)
    return bool(lengths[heights > TALL * widths].sum() > SIDEWAYS_SHARE * lengths.sum())


def sample(quads: Quads) -> list[int]:
    """Indexes of the few widest boxes: the ones whose reading says most."""
    widths, _ = sides(quads)
    return [int(index) for index in np.argsort(-widths, kind="stable")[:SAMPLE]]


def is_doubtful(scores: Sequence[float]) -> bool:
    """Whether the sampled lines read so badly that the page may stand on its head."""
    return bool(scores) and median(scores) < SURE


def is_upside_down(as_is: Sequence[float], flipped: Sequence[float]) -> bool:
    """Whether the sampled lines read clearly better turned by 180 degrees."""
    return sum(flipped) > sum(as_is) + BETTER_BY * len(as_is)
