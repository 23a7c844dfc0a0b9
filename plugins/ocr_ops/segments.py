r"""Blocks -> pieces that stand on one printed line each, for whoever looks at words and places.

In: blocks as any engine gave them. Out: `Segment`s in the same order. A block of one line is itself; a block of several
lines is cut at its newlines and its boxes shared out among them; a table gives its cells. Marks that a model adds and
no page prints (Markdown's `#`, `**` and pipes, `<center>`, `\(` `\)`) are taken out of the segment's text; the block
keeps them. Blocks without a box have no place and give no segment. Looks at no meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ocr_ops.model import Block, GridBox
from ocr_ops.table_cells import Cell, is_pipe_rule, table_pieces

_HEADING = re.compile(r"\A\s{0,3}#{1,6}\s+(?=\S)")
_BOLD = re.compile(r"(?<!\*)\*\*(?=[^\s*])([^*]+)(?<=[^\s*])\*\*(?!\*)")
_PIPES = re.compile(r"[ \t]*\|[ \t]*")
_CENTRE = re.compile(r"</?center>", re.IGNORECASE)
_FORMULA = re.compile(r"\\\(([^()\\]*(?:\\[%$&#_][^()\\]*)*)\\\)")
_ESCAPED = re.compile(r"\\([%$&#_*])")
_MARK = re.compile(r"[#*|<\\]")
"""What every mark of a model holds at least one of."""
_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
MAX_LINES = 10_000
"""Lines of one block, or of one cell. No page holds so many: what follows is garbage, kept as one last line."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Words on one line of a page. `box` on the page's grid; `row` and `col` count from 0 and are set for table cells only."""

    block_id: str
    text: str
    box: GridBox
    score: float | None = None
    row: int | None = None
    col: int | None = None


def segments_of(blocks: Iterable[Block]) -> tuple[Segment, ...]:
    """Flatten blocks into segments, in the blocks' order; segments are never empty."""
    return tuple(segment for block in blocks for segment in _segments(block))


def plain_line(line: str) -> str:
    """Take a model's marks out of one line; columns of a pipe row stay two blanks apart."""
    if not _MARK.search(line):
        return line.strip()
    if is_pipe_rule(line):
        return ""
    line = _CENTRE.sub("", _HEADING.sub("", line, count=1))
    if line.count("|") > 1:
        line = _PIPES.sub("  ", line)
    return _ESCAPED.sub(r"\1", _FORMULA.sub(r"\1", _BOLD.sub(r"\1", line))).strip()


def lines_of(text: str) -> list[str]:
    """The printed lines of a text, without a model's marks and without empty ones."""
    lines = _LINE_END.split(text, maxsplit=MAX_LINES - 1)
    if len(lines) == MAX_LINES:
        lines[-1] = " ".join(lines[-1].split())
    return [plain for line in lines if (plain := plain_line(line))]


def _segments(block: Block) -> Iterable[Segment]:
    text, boxes = block.text, block.boxes
    # one line without marks, as most blocks are
    if len(boxes) == 1 and text.isprintable() and not _MARK.search(text):
        words = text.strip()
        return (Segment(block.id, words, boxes[0], block.score),) if words else ()
    return _pieces(block) if boxes else ()


def _pieces(block: Block) -> Iterator[Segment]:
    pieces = table_pieces(block)
    if not pieces:
        yield from _shared_out(block, lines_of(block.text), block.boxes)
    for piece in pieces:
        row, col = (piece.row, piece.col) if isinstance(piece, Cell) else (None, None)
        yield from _shared_out(block, lines_of(piece.text), (piece.box,), row, col)


def _shared_out(
    block: Block,
    lines: Sequence[str],
    boxes: Sequence[GridBox],
    row: int | None = None,
    col: int | None = None,
) -> Iterator[Segment]:
    for line, box in zip(lines, _line_boxes(len(lines), boxes), strict=True):
        yield Segment(block.id, line, box, block.score, row, col)


def _line_boxes(count: int, boxes: Sequence[GridBox]) -> list[GridBox]:
    """As many boxes as lines: each box takes lines in proportion to its height, at equal heights within the box."""
    if count == len(boxes):
        return list(boxes)
    heights = [max(box.y2 - box.y1, 1e-6) for box in boxes]
    total = sum(heights)
    shares = [round(count * min(below / total, 1.0)) for below in accumulate(heights)]
    placed: list[GridBox] = []
    for box, until in zip(boxes, shares, strict=True):
        here = until - len(placed)
        step = (box.y2 - box.y1) / max(here, 1)
        placed += [GridBox(box.x1, box.y1 + n * step, box.x2, box.y1 + (n + 1) * step) for n in range(here)]
    return placed
