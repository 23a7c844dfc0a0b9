"""Blocks of pages -> rows of cells in reading order, skew taken out.

In: `ReadPage`s (boxes on the 0-999 grid). Out: `Page`s whose coordinates are pixels of the upright picture with the
page's slope removed, so that distances mean the same on both axes. Does not look at what the words mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

import numpy as np
import numpy.typing as npt

from ocr_ops.model import GRID_MAX, ReadPage
from ocr_ops.segments import Segment, segments_of

Heights = npt.NDArray[np.float64]

_WIDE_GAP = re.compile(r"\s{2,}")
_MAX_SLOPE = 0.12
_SLOPES = tuple(n / 200 for n in range(-14, 15))
_MAX_CELLS = 6000
_SLOPE_SAMPLE = 50
_SLOPE_REACH = 80
"""Cells after one, by their left edges, among which its neighbour is looked for."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Words that stand together on one line. Coordinates in pixels, slope removed. `table`: row and column known."""

    text: str
    x1: float
    y1: float
    x2: float
    y2: float
    block: str
    page: int
    score: float | None = None
    table_row: int | None = None

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def middle(self) -> float:
        """Vertical middle in pixels."""
        return (self.y1 + self.y2) / 2


@dataclass(frozen=True)
class Row:
    """Cells on one printed line, left to right. `index` counts through the whole document."""

    index: int
    page: int
    cells: tuple[Cell, ...]

    @cached_property
    def text(self) -> str:
        """All words of the line."""
        return " ".join(cell.text for cell in self.cells)

    @cached_property
    def y1(self) -> float:
        """Top in pixels."""
        return min(cell.y1 for cell in self.cells)

    @property
    def y2(self) -> float:
        """Bottom in pixels."""
        return max(cell.y2 for cell in self.cells)

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """Ids of the blocks on the line."""
        return tuple(dict.fromkeys(cell.block for cell in self.cells))


@dataclass(frozen=True, slots=True)
class Page:
    """One page as rows from top to bottom; `line` is the usual height of a line in pixels."""

    number: int
    width: float
    height: float
    line: float
    rows: tuple[Row, ...]


def lay_out(pages: Sequence[ReadPage]) -> tuple[Page, ...]:
    """Put every page into rows; row indices run on from page to page."""
    laid: list[Page] = []
    first = 0
    for page in pages:
        done = _page(page, first)
        first += len(done.rows)
        laid.append(done)
    return tuple(laid)


def runs(row: Row, gap: float) -> tuple[Cell, ...]:
    """Cells of a row with neighbours closer than `gap` pixels joined into one."""
    joined: list[Cell] = []
    for cell in row.cells:
        if joined and cell.x1 - joined[-1].x2 < gap:
            last = joined[-1]
            joined[-1] = replace(
                last,
                text=f"{last.text} {cell.text}",
                x2=cell.x2,
                y1=min(last.y1, cell.y1),
                y2=max(last.y2, cell.y2),
            )
        else:
            joined.append(cell)
    return tuple(joined)


def _page(page: ReadPage, first: int) -> Page:
    width, height = float(page.image.size.width), float(page.image.size.height)
    cells = [cell for segment in segments_of(page.blocks)[:_MAX_CELLS] for cell in _cells(segment, page)]
    level = _levelled(cells, _coarse_slope(cells))
    level = _levelled(level, _slope(level))
    line = median(c.height for c in level) if level else height / 60
    grouped = _group(level, line)
    rows = tuple(
        Row(first + n, page.image.number, tuple(sorted(g, key=lambda c: c.x1))) for n, g in enumerate(grouped)
    )
    return Page(page.image.number, width, height, max(line, 1.0), rows)


def _cells(segment: Segment, page: ReadPage) -> Iterable[Cell]:
    kx, ky = page.image.size.width / GRID_MAX, page.image.size.height / GRID_MAX
    box, text = segment.box, segment.text.strip()
    x1, x2 = box.x1 * kx, box.x2 * kx
    per_char = (x2 - x1) / max(len(text), 1)
    place = 0
    for gap in [*_WIDE_GAP.finditer(text), None]:
        end = gap.start() if gap else len(text)
        piece = text[place:end].strip()
        if piece:
            yield Cell(
                piece, x1 + place * per_char, box.y1 * ky, x1 + end * per_char, box.y2 * ky, segment.block_id,
                page.image.number, segment.score, segment.row,
            )  # fmt: skip
        place = gap.end() if gap else end


def _levelled(cells: list[Cell], slope: float) -> list[Cell]:
    if not slope:
        return cells
    return [replace(c, y1=c.y1 - slope * _mid(c), y2=c.y2 - slope * _mid(c)) for c in cells]


def _coarse_slope(cells: Sequence[Cell]) -> float:
    """The slope at which the cells fall on the fewest lines, 0 unless it is clearly better than level."""
    if len(cells) < 8:
        return 0.0
    middles = np.array([c.middle for c in cells])
    across = np.array([_mid(c) for c in cells])
    bin_height = max(float(np.median([c.height for c in cells])) * 0.5, 1.0)
    fit = dict(zip(_SLOPES, _crowding(middles - np.outer(_SLOPES, across), bin_height), strict=True))
    best = max(_SLOPES, key=lambda slope: (fit[slope], -abs(slope)))
    return best if fit[best] > 1.15 * fit[0.0] else 0.0


def _crowding(heights: Heights, bin_height: float) -> list[float]:
    """How much the cells share lines, for each row of heights: the mean of squared counts over two offset rulings."""
    rows, cells = heights.shape
    crowding = np.zeros(rows)
    for offset in (0.0, 0.5):
        places = np.floor(heights / bin_height + offset).astype(np.int64)
        places -= places.min()
        bins = int(places.max()) + 1
        counts = np.bincount((places + bins * np.arange(rows)[:, None]).ravel(), minlength=rows * bins)
        crowding += (counts.reshape(rows, bins) ** 2).sum(axis=1)
    return [float(one) for one in crowding / cells]


def _mid(cell: Cell) -> float:
    return (cell.x1 + cell.x2) / 2


def _slope(cells: Sequence[Cell]) -> float:
    """Rise over run of the printed lines: the median over neighbours that stand on one line."""
    if len(cells) < 2:
        return 0.0
    ordered = sorted(cells, key=lambda c: c.x1)
    x1, x2, middle, height = np.array([(c.x1, c.x2, c.middle, c.height) for c in ordered]).T
    places = np.arange(0, len(ordered), max(1, len(ordered) // _SLOPE_SAMPLE))[:, None]
    right = places + np.arange(1, _SLOPE_REACH)
    inside = right < len(ordered)
    right = np.minimum(right, len(ordered) - 1)
    gap, drift = x1[right] - x2[places], np.abs(middle[right] - middle[places])
    level = drift < 0.6 * np.minimum(height[right], height[places]) + 0.02 * gap
    cost = np.where(inside & (x1[right] >= x2[places] - 2) & level, drift * 3 + gap * 0.05, np.inf)
    best = cost.argmin(axis=1)
    pairs = [
        (ordered[n], ordered[n + 1 + step])
        for n, step, found in zip(
            places[:, 0].tolist(), best.tolist(), cost.min(axis=1).tolist(), strict=True
        )
        if found < math.inf
    ]
    runs_to = [(_mid(near) - _mid(cell), near.middle - cell.middle) for cell, near in pairs]
    slopes = [rise / run if run > 0 else 0.0 for run, rise in runs_to]
    slope = median(slopes) if len(slopes) >= 4 else 0.0
    return slope if 0.002 < abs(slope) < _MAX_SLOPE else 0.0


def _group(cells: Sequence[Cell], line: float) -> list[list[Cell]]:
    """Cells into lines: a cell joins the line whose nearest member it overlaps in height, not in width."""
    rows: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda c: (c.middle, c.x1)):
        best: list[Cell] | None = None
        best_gap = 1.0
        middle, reach = cell.middle, 0.55 * max(cell.height, 0.5 * line)
        for row in rows[-12:]:
            if reach and (middle - row[-1].middle) / reach >= best_gap:
                continue  # too far below even the lowest of them
            gap = _misfit(cell, row, line)
            if gap < best_gap:
                best, best_gap = row, gap
        if best is None:
            rows.append([cell])
        else:
            best.append(cell)
    return sorted(rows, key=lambda r: sum(c.middle for c in r) / len(r))


def _misfit(cell: Cell, row: Sequence[Cell], line: float) -> float:
    """0 for on the very line, 1 and more for not on it."""
    near = min(row, key=lambda c: max(c.x1 - cell.x2, cell.x1 - c.x2))
    overlap = min(near.x2, cell.x2) - max(near.x1, cell.x1)
    if overlap > 0.3 * min(near.x2 - near.x1, cell.x2 - cell.x1):
        return 2.0
    if cell.table_row is not None and near.block == cell.block and near.table_row != cell.table_row:
        return 2.0
    return abs(cell.middle - near.middle) / (0.55 * max(min(cell.height, near.height), 0.5 * line))
