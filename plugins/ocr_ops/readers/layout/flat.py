"""Blocks -> one segment a printed line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_ops.model import Block, GridBox


@dataclass(frozen=True, slots=True)
class Segment:
    """Words on one line."""

    block_id: str
    text: str
    box: GridBox
    score: float | None = None
    row: int | None = None
    col: int | None = None


def segments_of(blocks: Sequence[Block]) -> tuple[Segment, ...]:
    """Flatten blocks."""
    out = []
    for b in blocks:
        lines = [t for t in b.text.split("\n") if t.strip()]
        if not lines or not b.boxes:
            continue
        box = b.boxes[0]
        h = (box.y2 - box.y1) / len(lines)
        for n, t in enumerate(lines):
            out.append(
                Segment(b.id, t, GridBox(box.x1, box.y1 + n * h, box.x2, box.y1 + (n + 1) * h), b.score)
            )
    return tuple(out)
