"""Read pages -> Markdown in reading order.

In: `ReadPage`s. Out: text: titles as headings, tables as tables, lines that share a baseline side by side with their
columns kept. Words of a document are inert in it: no link, image, HTML or heading comes from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median

from ocr_ops.geometry import vertical_overlap
from ocr_ops.html_leaf import table_html, visible
from ocr_ops.model import GRID_MAX, Block, PixelSize, ReadPage
from ocr_ops.segments import Segment, lines_of, segments_of
from ocr_ops.table_cells import Cell, LooseLine, is_table, table_pieces
from ocr_ops.type_fit import wraps

PAGE_BREAK = "\n\n---\n\n"
WIDEST_LINE = 140
"""Characters across a page at most when lines are laid out by their place."""

_HEADINGS = {"title": "# ", "sub_title": "## "}
_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")
_AT_START = re.compile(r"(?m)^(\s*)([#+=>-]|\d+(?=[.)]))")
_LINKS = re.compile(r"(?i)\b(https?|ftp|mailto)(?=:)|\b(www)(?=\.)|(?<=\S)(?=@)")
_BACKTICKS = re.compile(r"`+")


def document_markdown(pages: Sequence[ReadPage]) -> str:
    """Write a document as Markdown, a rule between pages; ends with a newline unless it is empty."""
    written = ["\n\n".join(_parts(page)) for page in pages]
    return PAGE_BREAK.join(
        f"<!-- page {p.image.number} -->\n\n{t}".strip() for p, t in zip(pages, written, strict=True)
    ) + ("\n" if pages else "")


def inert(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = (
        _SPECIAL.sub(r"\\\1", visible(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )
    text = _LINKS.sub(lambda found: found[0] + "\\", text)
    return _AT_START.sub(_shielded, text)


def _shielded(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}\\" if found[2][0].isdigit() else f"{found[1]}\\{found[2]}"


def _parts(page: ReadPage) -> Iterator[str]:
    for alone, blocks in groupby(page.blocks, key=lambda block: _stands_alone(block, page.image.size)):
        if not alone:
            yield _lines([segment for block in blocks for segment in segments_of([block])], page)
        else:
            yield from filter(None, map(_block, blocks))


def _stands_alone(block: Block, size: PixelSize) -> bool:
    if block.label in _HEADINGS or is_table(block) or not block.boxes:
        return True
    lines = segments_of([block])
    return len(lines) != 1 or wraps(lines, size)


def _block(block: Block) -> str:
    pieces = table_pieces(block)
    if pieces:
        return _table(pieces)
    lines = [inert(line) for line in lines_of(block.text)]
    if block.label in _HEADINGS and lines:
        return _HEADINGS[block.label] + " ".join(lines)
    return "  \n".join(lines) or f"*({inert(block.label)})*"


def _table(pieces: Sequence[Cell | LooseLine]) -> str:
    cells = [piece for piece in pieces if isinstance(piece, Cell)]
    if len(cells) < len(pieces) or any(cell.rowspan > 1 or cell.colspan > 1 for cell in cells):
        return table_html(pieces)
    columns = max(cell.col for cell in cells) + 1
    rows = [{cell.col: cell.text for cell in row} for _, row in groupby(cells, key=lambda cell: cell.row)]
    written = ["| " + " | ".join(_in_cell(row.get(col, "")) for col in range(columns)) + " |" for row in rows]
    return "\n".join([written[0], "|" + " --- |" * columns, *written[1:]])


def _in_cell(text: str) -> str:
    return inert(text).replace("\n", "<br>")


def _lines(segments: Sequence[Segment], page: ReadPage) -> str:
    """Segments that stand beside each other on one line; as plain paragraphs when none do."""
    rows = _baselines(segments)
    if all(len(row) == 1 for row in rows):
        return "  \n".join(inert(row[0].text) for row in rows)
    per_char = _char_width(segments)
    left = min(segment.box.x1 for segment in segments)
    text = "\n".join(_spaced(row, left, per_char) for row in rows)
    fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _baselines(segments: Sequence[Segment]) -> list[list[Segment]]:
    rows: list[list[Segment]] = []
    for segment in segments:
        if rows and _beside(rows[-1], segment):
            rows[-1].append(segment)
        else:
            rows.append([segment])
    return [sorted(row, key=lambda s: s.box.x1) for row in rows]


def _beside(row: Sequence[Segment], new: Segment) -> bool:
    near = min(row, key=lambda s: max(s.box.x1 - new.box.x2, new.box.x1 - s.box.x2))
    gap = max(near.box.x1 - new.box.x2, new.box.x1 - near.box.x2)
    narrower = min(near.box.x2 - near.box.x1, new.box.x2 - new.box.x1)
    return gap > -0.2 * narrower - 1 and vertical_overlap(near.box, new.box) > 0.5


def _char_width(segments: Sequence[Segment]) -> float:
    usual = median((s.box.x2 - s.box.x1) / len(s.text) for s in segments)
    return max(usual, GRID_MAX / WIDEST_LINE)


def _spaced(row: Sequence[Segment], left: float, per_char: float) -> str:
    line = ""
    for segment in row:
        place = round((segment.box.x1 - left) / per_char)
        line += " " * (max(place - len(line), 2) if line else place)
        line += " ".join(visible(segment.text).split("\n"))
    return line.rstrip()
