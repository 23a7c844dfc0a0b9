"""A page in overlapping parts, and what was read on them put together again. Pure: geometry and text.

In: a page's size and where it has no ink; later the blocks read on two parts, on the page's grid. Out: parts in pixels,
cut where nothing is printed if that can be; later the blocks of the page, every printed line once. Parts lie one below
the other. A line that both parts saw is found by its words and its place together, since printed lines repeat. What
only one part saw is kept, and said.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from ocr_ops.geometry import around
from ocr_ops.model import GRID_MAX, Block, GridBox, PixelBox, PixelSize

PART_RATIO = 3.0
"""Height over width of the parts of a long page: few enough tiles that small type stays readable."""
OVERLAP = 0.2
"""Share of the page's width that two parts have in common, about five lines of a receipt."""
LEAST_PART_PX = 64
"""Lower parts are not cut."""
SAME_LINE = 75.0
"""Likeness, of 100, from which two readings are of one line."""
TYPE_SHARE = 0.7
"""Share of the distance between two lines that is type, the rest is space."""
MOST_LINES = 400
"""Lines of one part that are compared with the other part's."""

_ROW = re.compile(r"(?=<tr[\s>])", re.IGNORECASE)
_ROWS_END = re.compile(r"</t(?:able|body|foot)\s*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,300}>")

Gap = tuple[int, int]
"""Rows of a picture without ink: first, and one past the last."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The blocks of two parts as one; `lonely` lines should have been seen by both parts and were not, `disputed` ones differ."""

    blocks: tuple[Block, ...]
    lonely: int = 0
    disputed: int = 0


# --- cutting ---


def long_parts(size: PixelSize, gaps: Sequence[Gap]) -> tuple[PixelBox, ...]:
    """Cut a long page into parts of about `PART_RATIO`."""
    overlap = _overlap(size)
    count = max(1, math.ceil((size.height - overlap) / max(1, PART_RATIO * size.width - overlap)))
    return _cut(PixelBox(0, 0, size.width, size.height), count, overlap, gaps)


def halves(area: PixelBox, gaps: Sequence[Gap]) -> tuple[PixelBox, ...]:
    """Cut a page, or a part of one, into an upper and a lower half; the area itself where it is too low for that."""
    height = area.y2 - area.y1
    if height < 2 * LEAST_PART_PX:
        return (area,)
    overlap = min(_overlap(PixelSize(area.x2 - area.x1, height)), height // 4)
    return _cut(area, 2, overlap, gaps)


def _overlap(size: PixelSize) -> int:
    return max(LEAST_PART_PX // 2, round(OVERLAP * size.width))


def _cut(area: PixelBox, count: int, overlap: int, gaps: Sequence[Gap]) -> tuple[PixelBox, ...]:
    step = (area.y2 - area.y1 - overlap) / count
    reach = overlap // 4
    tops = [_in_a_gap(round(area.y1 + n * step), gaps, reach) for n in range(1, count)]
    bottoms = [_in_a_gap(round(area.y1 + n * step) + overlap, gaps, reach) for n in range(1, count)]
    edges = zip([area.y1, *tops], [*bottoms, area.y2], strict=True)
    return tuple(PixelBox(area.x1, top, area.x2, bottom) for top, bottom in edges)


def _in_a_gap(row: int, gaps: Sequence[Gap], reach: int) -> int:
    """The row nearest to `row`, no further than `reach`, that lies amid rows without ink; else `row`."""
    place = bisect_left(gaps, (row, row))
    near = [(max(start, row - reach) + min(end, row + reach)) // 2 for start, end in gaps[max(0, place - 40) : place + 40]
            if start < row + reach and end > row - reach]  # fmt: skip
    return min(near, key=lambda found: abs(found - row), default=row)


# --- joining ---


@dataclass(frozen=True, slots=True)
class _Line:
    """One line or table row of a block; `piece` is its place within the block, places are on the page's grid."""

    block: int
    piece: int
    words: str
    top: float
    bottom: float
    alone: bool = True
    """Whether it is all of its block, so that its place is what the model said and no estimate."""

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return max(self.bottom - self.top, 0.5)


@dataclass(frozen=True, slots=True)
class _Torn:
    """A block's text in pieces: rows of a table, with what stands before and after them, or lines."""

    pieces: tuple[str, ...]
    before: str = ""
    after: str = ""
    is_table: bool = False

    def of(self, kept: Sequence[int]) -> str:
        """The text of some of the pieces."""
        some = [self.pieces[place] for place in kept]
        return f"<table>{''.join(some)}</table>" if self.is_table else "\n".join(some)


def join(upper: Sequence[Block], lower: Sequence[Block], zone: tuple[float, float], page: int) -> Joined:
    """Put the blocks of two parts together; `zone` is what both saw, top and bottom on the page's grid.

    Blocks of both parts are on the page's grid. They come out in reading order of the parts, numbered anew.
    """
    upper = [piece for block in upper for piece in _apart(block)]
    lower = [piece for block in lower for piece in _apart(block)]
    above, below = _lines(upper), _lines(lower)
    pairs = _pairs(_seen(above, zone, last=True), _seen(below, zone, last=False), zone)
    dropped_above, dropped_below, lonely = _dropped(above, below, pairs, zone)
    kept_above = _kept(upper, above, dropped_above)
    kept_below = _kept(lower, below, dropped_below)
    blocks = tuple(_merged(upper, lower, kept_above, kept_below, _twins(upper, lower, pairs)))
    numbered = tuple(
        replace(block, id=f"p{page:03d}.b{number:03d}") for number, block in enumerate(blocks, 1)
    )
    return Joined(numbered, lonely, sum(a.words != b.words for a, b in pairs))


def _torn(text: str) -> _Torn:
    parts = _ROW.split(text)
    if len(parts) > 1:
        end = _ROWS_END.search(parts[-1])
        cut = end.start() if end else len(parts[-1])
        return _Torn((*parts[1:-1], parts[-1][:cut]), parts[0], parts[-1][cut:], is_table=True)
    return _Torn(tuple(line for line in text.split("\n") if line.strip()) or ("",))


def _apart(block: Block) -> Iterator[Block]:
    """A table block with words above or below its rows as several blocks, so that no word hangs on a row."""
    torn = _torn(block.text)
    above, below = _loose(torn.before), _loose(torn.after)
    if not block.boxes or not (above or below):
        yield block
        return
    box = around(block.boxes)
    height = (box.y2 - box.y1) / (len(above) + len(torn.pieces) + len(below))
    top, bottom = box.y1 + len(above) * height, box.y2 - len(below) * height
    if above:
        yield replace(block, label="text", text="\n".join(above), boxes=(replace(box, y2=top),))
    yield replace(block, text=torn.of(range(len(torn.pieces))), boxes=(replace(box, y1=top, y2=bottom),))
    if below:
        yield replace(block, label="text", text="\n".join(below), boxes=(replace(box, y1=bottom),))


def _loose(text: str) -> list[str]:
    lines = (_TAG.sub(" ", line).strip() for line in text.split("\n"))
    return [line for line in lines if line]


def _lines(blocks: Sequence[Block]) -> list[_Line]:
    found = []
    for number, block in enumerate(blocks):
        if not block.boxes:
            continue
        box, pieces = around(block.boxes), _torn(block.text).pieces
        height = (box.y2 - box.y1) / (len(pieces) - 1 + TYPE_SHARE)
        for place, piece in enumerate(pieces):
            words = " ".join(_TAG.sub(" ", piece).split()) or f"<{block.label}>"
            top = box.y1 + place * height
            found.append(_Line(number, place, words, top, top + TYPE_SHARE * height, len(pieces) == 1))
    return found


def _reach(line: _Line, zone: tuple[float, float]) -> float:
    """How far a line's estimated place may be off: lines of a block are taken to be equally high."""
    return 1.2 * line.height if line.alone else max(2.5 * line.height, 0.35 * (zone[1] - zone[0]))


def _seen(lines: Sequence[_Line], zone: tuple[float, float], *, last: bool) -> list[_Line]:
    near = [
        line
        for line in lines
        if line.bottom > zone[0] - _reach(line, zone) and line.top < zone[1] + _reach(line, zone)
    ]
    return near[-MOST_LINES:] if last else near[:MOST_LINES]


def _pairs(
    above: Sequence[_Line], below: Sequence[_Line], zone: tuple[float, float]
) -> list[tuple[_Line, _Line]]:
    """The lines that both parts saw, in order: the alignment with the most likeness of words and place."""
    common = _repeated(above) | _repeated(below)
    alike = [[_likeness(a, b, zone, common) for b in below] for a in above]
    best = [[0.0] * (len(below) + 1) for _ in range(len(above) + 1)]
    for i in range(len(above) - 1, -1, -1):
        for j in range(len(below) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j + 1] + alike[i][j], best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(above) and j < len(below):
        if alike[i][j] > 0 and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            pairs.append((above[i], below[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _repeated(lines: Sequence[_Line]) -> frozenset[str]:
    """Words that more than one line has."""
    counts = Counter(line.words for line in lines)
    return frozenset(words for words, count in counts.items() if count > 1)


def _likeness(one: _Line, other: _Line, zone: tuple[float, float], common: frozenset[str]) -> float:
    """0 for different lines, up to 1 for the same words at the same place; only the place tells like lines apart."""
    off = abs(one.middle - other.middle)
    if one.words in common or other.words in common:
        reach = 0.55 / TYPE_SHARE * max(one.height, other.height)
    else:
        reach = max(_reach(one, zone), _reach(other, zone))
    if off >= reach:
        return 0.0
    alike = fuzz.ratio(one.words, other.words, score_cutoff=SAME_LINE)
    # squared, so that rows of a list, which differ in a digit or two, do not add up to a better match one row further
    return ((alike - 70) / 30) ** 2 * (1.0 - off / reach) if alike else 0.0


def _dropped(
    above: Sequence[_Line],
    below: Sequence[_Line],
    pairs: Sequence[tuple[_Line, _Line]],
    zone: tuple[float, float],
) -> tuple[set[_Line], set[_Line], int]:
    """Which copies go: of a pair the one nearer to its part's edge, and what an edge cut through."""
    seam = (zone[0] + zone[1]) / 2
    drop_above = {a for a, b in pairs if (a.middle + b.middle) / 2 >= seam}
    drop_below = {b for a, b in pairs if a not in drop_above}
    alone_above = _alone(above, {a for a, _ in pairs})
    alone_below = _alone(below, {b for _, b in pairs})
    cut_above = {a for a in alone_above if a.bottom >= zone[1] - 0.4 * a.height and _covered(a, alone_below)}
    cut_below = {b for b in alone_below if b.top <= zone[0] + 0.4 * b.height and _covered(b, alone_above)}
    lonely = sum(_inside(line, zone) for line in (*alone_above, *alone_below))
    return drop_above | cut_above, drop_below | cut_below, lonely


def _alone(lines: Sequence[_Line], paired: set[_Line]) -> list[_Line]:
    return [line for line in lines if line not in paired]


def _covered(line: _Line, others: Sequence[_Line]) -> bool:
    """Whether another line stands at the same height, as far as places are known."""
    return any(
        abs(line.middle - other.middle)
        < (0.7 if line.alone and other.alone else 1.0) * max(line.height, other.height)
        for other in others
    )


def _inside(line: _Line, zone: tuple[float, float]) -> bool:
    """Whether both parts must have seen a line whole."""
    return line.top - line.height > zone[0] and line.bottom + line.height < zone[1]


def _kept(blocks: Sequence[Block], lines: Sequence[_Line], dropped: set[_Line]) -> list[list[_Line] | None]:
    """For every block the lines that stay; None for a block that is untouched."""
    kept: list[list[_Line] | None] = [None] * len(blocks)
    for line in dropped:
        kept[line.block] = []
    for line in lines:
        left = kept[line.block]
        if left is not None and line not in dropped:
            left.append(line)
    return kept


def _twins(
    upper: Sequence[Block], lower: Sequence[Block], pairs: Sequence[tuple[_Line, _Line]]
) -> dict[int, int]:
    """Blocks of the lower part by the block of the upper part that they continue."""
    twins: dict[int, int] = {}
    for a, b in pairs:
        if upper[a.block].label == lower[b.block].label and b.block not in twins.values():
            twins.setdefault(a.block, b.block)
    return twins


def _merged(
    upper: Sequence[Block],
    lower: Sequence[Block],
    kept_above: Sequence[list[_Line] | None],
    kept_below: Sequence[list[_Line] | None],
    twins: dict[int, int],
) -> Iterator[Block]:
    for number, block in enumerate(upper):
        head = _shortened(block, kept_above[number])
        twin = twins.get(number)
        tail = _shortened(lower[twin], kept_below[twin]) if twin is not None else None
        if head and tail:
            yield _one(head, tail)
        elif head or tail:
            yield head or tail  # type: ignore[misc]
    for number, block in enumerate(lower):
        if number not in twins.values() and (rest := _shortened(block, kept_below[number])):
            yield rest


def _shortened(block: Block, kept: list[_Line] | None) -> Block | None:
    if kept is None:
        return block
    if not kept:
        return None
    box = around(block.boxes)
    text = _torn(block.text).of([line.piece for line in kept])
    place = GridBox(box.x1, max(0.0, kept[0].top), box.x2, min(float(GRID_MAX), kept[-1].bottom))
    return replace(block, text=text, boxes=(place,))


def _one(head: Block, tail: Block) -> Block:
    """Two pieces of one printed block as one: rows of both in one table, lines below each other."""
    first, second = _torn(head.text), _torn(tail.text)
    together = _Torn((*first.pieces, *second.pieces), is_table=first.is_table and second.is_table)
    text = together.of(range(len(together.pieces)))
    return replace(head, text=text, boxes=(around((*head.boxes, *tail.boxes)),))
