"""Put the text boxes of one page in the order a person reads them: rows from the top, each from the left.

In: corner points in pixels (n x 4 x 2, clockwise from the top left of the text). Out: indexes. A page that was
photographed a few degrees askew is sorted in the frame of its own lines; the boxes themselves are never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Quads = npt.NDArray[np.float32]

SAME_ROW = 0.5
"""Two boxes share a row when they share this much of the smaller one's height."""

STACKED = 0.3
"""Boxes that share more than this of the narrower one's width lie on top of each other, so not in one row."""

LONG = 4.0
"""A box this many times wider than high says reliably how its line runs."""


@dataclass(slots=True)
class _Row:
    top: float
    bottom: float
    members: list[int] = field(default_factory=list)


def sides(quads: Quads) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Widths and heights in pixels, along the text's own direction."""
    widths = np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)
    heights = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    return widths, heights


def skew(quads: Quads) -> float:
    """Degrees by which the lines fall to the right (clockwise positive); 0 where no box is long enough to tell."""
    if not len(quads):
        return 0.0
    widths, heights = sides(quads)
    long = quads[widths > LONG * heights]
    if not len(long):
        return 0.0
    run = long[:, 1] - long[:, 0] + long[:, 2] - long[:, 3]
    return float(np.median(np.degrees(np.arctan2(run[:, 1], run[:, 0]))))


def reading_order(quads: Quads) -> list[int]:
    """Indexes of the boxes row by row, left to right."""
    if not len(quads):
        return []
    spans = _level_spans(quads)
    rows: list[_Row] = []
    for index in np.argsort(spans[:, 1] + spans[:, 3], kind="stable").tolist():
        row = _row_for(index, rows, spans)
        row.members.append(index)
        row.top = float(np.median([spans[m][1] for m in row.members]))
        row.bottom = float(np.median([spans[m][3] for m in row.members]))
    rows.sort(key=lambda row: row.top + row.bottom)
    return [m for row in rows for m in sorted(row.members, key=lambda m: float(spans[m][0]))]


def _level_spans(quads: Quads) -> npt.NDArray[Any]:
    """x1, y1, x2, y2 of every box after turning the page level: its centre turned, its own width and height."""
    angle = np.radians(-skew(quads))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centres = quads.mean(axis=1) @ turn.T
    half = np.stack(sides(quads), axis=1) / 2
    return np.hstack([centres - half, centres + half])


def _row_for(index: int, rows: list[_Row], spans: npt.NDArray[Any]) -> _Row:
    x1, y1, x2, y2 = spans[index].tolist()
    best, best_share = None, SAME_ROW
    for row in rows[-8:]:
        share = _share(y1, y2, row.top, row.bottom)
        clear = all(_share(x1, x2, spans[m][0], spans[m][2]) <= STACKED for m in row.members)
        if share > best_share and clear:
            best, best_share = row, share
    if best is None:
        best = _Row(y1, y2)
        rows.append(best)
    return best


def _share(a1: float, a2: float, b1: float, b2: float) -> float:
    smaller = min(a2 - a1, b2 - b1)
    return (min(a2, b2) - max(a1, b1)) / smaller if smaller > 0 else 0.0
