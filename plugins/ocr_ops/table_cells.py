"""The text of a table block -> cells with estimated places.

In: a `Block` whose text holds HTML (`<tr>`, `<td>`, `<th>` with spans) or Markdown pipe rows, as a model wrote it, and
possibly torn. Out: cells in reading order, and the lines that stand in the block outside any cell. Total: any text
gives an answer, none is lost, in linear time. A model gives one box for a whole table, so a cell's box is an estimate:
rows by their number of lines, columns by their longest text. Never renders and never evaluates markup.

The tags are found by one regular expression rather than by `html.parser`, which on the Pythons we support can raise
on `<![` and takes quadratic time on torn markup.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ocr_ops.geometry import around
from ocr_ops.model import Block, GridBox

MAX_COLUMNS = 256
"""Cells further right are garbage; their text is kept in the last column."""
MAX_PIECES = 10_000
"""Cells and loose lines of one table. No page holds so many: what follows is garbage, kept as text of the last piece."""

_TAG = re.compile(
    r"<(/?)(table|thead|tbody|tfoot|caption|colgroup|col|tr|td|th|br|p|div|center|b|i|u|em|strong|span|sub|sup)"
    r"(?=[\s/>])([^<>]*)>",
    re.IGNORECASE,
)
_CELL_TAG = re.compile(r"<t[dh](?=[\s/>])", re.IGNORECASE)
_SPAN = re.compile(r"\b(col|row)span\s*=\s*[\"']?\s*(\d{1,4})(?!\d)", re.IGNORECASE)
_PIPE_RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*\Z")
_LINE_BREAKING = frozenset({"br", "p", "div", "center"})
_NARROWEST, _WIDEST = 3, 40
"""Bounds, in half-width characters, of what a column's longest text says about its width."""
_PADDING = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `row` and `col` count from 0 and name its upper left corner. `text` is plain, unescaped, one line or more.

    `box` is estimated from the block's own box.
    """

    row: int
    col: int
    text: str
    box: GridBox
    rowspan: int = 1
    colspan: int = 1
    header: bool = False


@dataclass(frozen=True, slots=True)
class LooseLine:
    """A line of a table block outside every cell (a caption, a remark below), with its estimated place."""

    text: str
    box: GridBox


@dataclass(slots=True)
class _Open:
    """A cell, or a loose line, while it is being read."""

    row: int = 0
    col: int = 0
    rowspan: int = 1
    colspan: int = 1
    header: bool = False
    loose: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        lines = (" ".join(line.split()) for line in _unescaped("".join(self.pieces)).split("\n"))
        return "\n".join(line for line in lines if line)


def cells_of(block: Block) -> tuple[Cell, ...]:
    """Read the cells of a block; empty when it holds no table or has no box."""
    return tuple(piece for piece in table_pieces(block) if isinstance(piece, Cell))


def table_pieces(block: Block) -> tuple[Cell | LooseLine, ...]:
    """Read a table block whole: cells, and the lines around them; empty when it holds no cell or has no box."""
    if not block.boxes:
        return ()
    if _CELL_TAG.search(block.text):
        read = _Rows().read_html(block.text)
    elif is_pipe_table(block.text):
        read = _Rows().read_pipes(block.text)
    else:
        return ()
    return tuple(_placed(read, around(block.boxes)))


def is_table(block: Block) -> bool:
    """Whether a block says it is a table or holds cells."""
    return (
        block.label.casefold() == "table" or bool(_CELL_TAG.search(block.text)) or is_pipe_table(block.text)
    )


def table_without_cells(block: Block) -> bool:
    """Whether a block calls itself a table but its cells are gone, so that its numbers cannot be told apart."""
    says_table = block.label.casefold() == "table" or "<table" in block.text.casefold()
    return says_table and not _CELL_TAG.search(block.text) and not is_pipe_table(block.text)


def is_pipe_table(text: str) -> bool:
    """Whether text is a Markdown table: rows between pipes with a rule of dashes among them."""
    if "|" not in text:
        return False
    lines = [line.strip() for line in text.split("\n") if "|" in line]
    return len(lines) >= 2 and any(is_pipe_rule(line) for line in lines[1:2])


def is_pipe_rule(line: str) -> bool:
    """Whether a line is the rule of dashes below a Markdown table's head."""
    return "|" in line and _PIPE_RULE.match(line.strip()) is not None


class _Rows:
    """Places cells on rows and columns as a browser would, spans included."""

    def __init__(self) -> None:
        self.found: list[_Open] = []
        self.row = -1
        self._col = 0
        self._busy: dict[int, int] = {}  # column -> first row that is free again
        self._into: _Open | None = None

    def read_html(self, text: str) -> list[_Open]:
        place = 0
        for tag in _TAG.finditer(text):
            self._write(text[place : tag.start()])
            self._tag(tag[2].lower(), closing=bool(tag[1]), attributes=tag[3])
            place = tag.end()
        self._write(text[place:])
        return self._kept()

    def read_pipes(self, text: str) -> list[_Open]:
        lines = text.split("\n")
        head = next((n for n, line in enumerate(lines) if is_pipe_rule(line)), 0) - 1
        for number, line in enumerate(lines):
            if is_pipe_rule(line):
                continue
            if "|" not in line:
                self._into = None
                self._write(line)
                continue
            self._new_row()
            for part in line.strip().removeprefix("|").removesuffix("|").split("|"):
                self._new_cell(header=number == head, attributes="")
                self._write(part)
            self._into = None
        return self._kept()

    def _kept(self) -> list[_Open]:
        return [one for one in self.found if not one.loose or one.text]

    def _tag(self, name: str, *, closing: bool, attributes: str) -> None:
        if name in ("td", "th"):
            if closing:
                self._into = None
            else:
                self._new_cell(header=name == "th", attributes=attributes)
        elif name == "tr":
            self._into = None
            if not closing:
                self._new_row()
        elif name in ("table", "thead", "tbody", "tfoot", "caption"):
            self._into = None
        elif name in _LINE_BREAKING:
            self._write("\n")

    def _write(self, text: str) -> None:
        if self._into is None:
            if not text.strip():
                return
            self._into = self._new_loose()
        self._into.pieces.append(text)

    def _new_row(self) -> None:
        self.row += 1
        self._col = 0

    def _new_loose(self) -> _Open:
        if self._is_full():
            return self._overflow()
        self._new_row()
        loose = _Open(self.row, loose=True)
        self.found.append(loose)
        return loose

    def _is_full(self) -> bool:
        return len(self.found) >= MAX_PIECES

    def _overflow(self) -> _Open:
        """The last piece, which takes whatever else comes."""
        last = self.found[-1]
        last.pieces.append("\n")
        return last

    def _new_cell(self, *, header: bool, attributes: str) -> None:
        if self._is_full():
            self._into = self._overflow()
            return
        if self.row < 0 or (self.found and self.found[-1].row == self.row and self.found[-1].loose):
            self._new_row()
        spans = (
            {kind.lower(): int(number) for kind, number in _SPAN.findall(attributes)} if attributes else {}
        )
        while self._busy.get(self._col, 0) > self.row:
            self._col += 1
        col = min(self._col, MAX_COLUMNS - 1)
        rowspan, colspan = max(spans.get("row", 1), 1), max(spans.get("col", 1), 1)
        cell = _Open(self.row, col, rowspan, min(colspan, MAX_COLUMNS - col), header)
        if cell.rowspan > 1:
            self._busy.update(
                dict.fromkeys(range(cell.col, cell.col + cell.colspan), cell.row + cell.rowspan)
            )
        self._col += cell.colspan
        self.found.append(cell)
        self._into = cell


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character reference of thousands of digits
        return text


def _placed(found: Sequence[_Open], box: GridBox) -> Iterator[Cell | LooseLine]:
    texts = [one.text for one in found]
    last_row = max((one.row for one in found), default=0)
    tops = _edges(_row_weights(found, texts, last_row + 1), box.y1, box.y2)
    lefts = _edges(_column_weights(found, texts), box.x1, box.x2)
    for one, text in zip(found, texts, strict=True):
        if one.loose:
            yield LooseLine(text, GridBox(box.x1, tops[one.row], box.x2, tops[one.row + 1]))
            continue
        rowspan = min(one.rowspan, last_row + 1 - one.row)
        place = GridBox(lefts[one.col], tops[one.row], lefts[one.col + one.colspan], tops[one.row + rowspan])
        yield Cell(one.row, one.col, text, place, rowspan, one.colspan, one.header)


def _row_weights(found: Sequence[_Open], texts: Sequence[str], count: int) -> list[int]:
    weights = [1] * count
    for one, text in zip(found, texts, strict=True):
        if one.rowspan == 1:
            weights[one.row] = max(weights[one.row], text.count("\n") + 1)
    return weights


def _column_weights(found: Sequence[_Open], texts: Sequence[str]) -> list[int]:
    weights = [_NARROWEST + _PADDING] * max(
        (one.col + one.colspan for one in found if not one.loose), default=1
    )
    for one, text in zip(found, texts, strict=True):
        if one.colspan == 1 and not one.loose:
            weights[one.col] = max(weights[one.col], min(_width(text), _WIDEST) + _PADDING)
    return weights


def _width(text: str) -> int:
    """Width of the longest line in half-width characters, looked at no further than the cap."""
    lines = (line[:_WIDEST] for line in text.split("\n"))
    return max(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in lines)


def _edges(weights: Sequence[int], start: float, end: float) -> list[float]:
    total = sum(weights) or 1
    return [start + (end - start) * done / total for done in accumulate(weights, initial=0)]
