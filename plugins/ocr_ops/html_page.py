"""Read pages -> one self-contained HTML document, every block at its place and size, and Markdown.

In: `ReadPage`s, and where their pictures can be had. Out: HTML without scripts and without anything fetched from
elsewhere but those pictures; block ids are HTML ids, so that `document.html#p001.b012` shows a piece of evidence.
Places are shares of the page, sizes of type follow the page's width, so it scales and prints. All text is escaped by
`html_leaf`; model HTML never passes through, tables are written anew from their cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from ocr_ops.geometry import around
from ocr_ops.html_leaf import escaped, table_html
from ocr_ops.model import GRID_MAX, Block, GridBox, PixelSize, ReadPage
from ocr_ops.page_markdown import document_markdown
from ocr_ops.page_style import STYLE
from ocr_ops.segments import Segment, segments_of
from ocr_ops.table_cells import Cell, LooseLine, table_pieces
from ocr_ops.type_fit import TYPE, ems, fitted, wraps

__all__ = ["DOUBTFUL", "VERSION", "document_html", "document_markdown", "page_html"]

VERSION = "1"
DOUBTFUL = 0.8
"""Below this confidence of the engine a block is shown in another colour."""

PictureSrc = Callable[[ReadPage], str | None]

_FIGURES = frozenset({"image", "figure", "chart", "seal", "stamp", "signature", "logo", "barcode", "qrcode"})
_USUAL_LINE = 14.0
"""Height of a line on the grid where a page has none to go by: 11 point on A4."""
_HEADINGS = frozenset({"title", "sub_title"})
_POLICY = "default-src 'none'; img-src 'self' data: file:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document_html(name: str, pages: Sequence[ReadPage], *, picture_src: PictureSrc | None = None) -> str:
    """Write a whole document; `picture_src` gives the address (relative, or `data:`) of a page's upright picture."""
    sheets = "\n".join(
        page_html(page, picture_src=picture_src(page) if picture_src else None) for page in pages
    )
    count = f"{len(pages)} page{'s' * (len(pages) != 1)}"
    return (
        '<!doctype html>\n<html lang="und">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(name)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escaped(name)}</h1><p>{count}. Left: what was read, "
        '<span class="doubtful">doubtful words</span> in this colour. Right: the page; click a box to find its words.'
        f"</p></header>\n{sheets}\n</body>\n</html>\n"
    )


def page_html(page: ReadPage, *, picture_src: str | None) -> str:
    """Write one page: what was read at its place, and beside it the picture with the blocks' boxes if there is one."""
    number, size = page.image.number, page.image.size
    sheet = _sheet(page, picture_src)
    drawn = sorted(page.blocks, key=lambda block: block.label not in _FIGURES)
    blocks = "\n".join(_block(block, sheet) for block in drawn if block.boxes)
    placeless = "".join(_placeless(block) for block in page.blocks if not block.boxes)
    shape = f"aspect-ratio:{size.width}/{size.height};--ratio:{size.width / size.height:.4f}"
    scan = _scan(page, picture_src, shape) if picture_src else ""
    return (
        f'<section class="sheet" id="page-{number}" aria-label="Page {number}">\n'
        f'<article class="page" style="{shape}">\n{blocks}\n</article>{scan}\n{placeless}</section>'
    )


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What drawing a block needs to know of its page; `line` is the usual height of a line in pixels."""

    size: PixelSize
    line: float
    figures: tuple[GridBox, ...]
    src: str | None


def _sheet(page: ReadPage, src: str | None) -> _Sheet:
    size = page.image.size
    heights = [
        line.box.y2 - line.box.y1
        for line in segments_of(page.blocks)
        if line.row is None and not wraps([line], size)
    ]
    usual = median(heights) if heights else _USUAL_LINE
    figures = tuple(box for block in page.blocks if block.label in _FIGURES for box in block.boxes)
    return _Sheet(size, usual * size.height / GRID_MAX, figures, src)


def _scan(page: ReadPage, src: str, shape: str) -> str:
    links = "".join(
        f'<a href="#{escaped(block.id)}" title="{_hint(block)}" style="{_place(box)}"></a>'
        for block in page.blocks
        for box in block.boxes
    )
    alt = f"Picture of page {page.image.number}"
    return f'\n<figure class="scan" style="{shape}"><img src="{escaped(src)}" alt="{alt}">{links}</figure>'


def _placeless(block: Block) -> str:
    return f'<p class="placeless" id="{escaped(block.id)}" title="{_hint(block)}">{escaped(block.text)}</p>\n'


def _block(block: Block, sheet: _Sheet) -> str:
    box = around(block.boxes)
    pieces = table_pieces(block)
    names = ["block"]
    if pieces:
        names.append("table")
        inner = _table(pieces, sheet)
    elif block.label in _FIGURES:
        names.append("figure")
        inner = _crop(box, sheet.src, block)
    else:
        inner = _words(block, box, sheet)
    names += ["heading"] * (block.label in _HEADINGS)
    names += ["doubtful"] * (block.score is not None and block.score < DOUBTFUL)
    names += ["over"] * ("figure" not in names and any(_inside(box, figure) for figure in sheet.figures))
    return (
        f'<div class="{" ".join(names)}" id="{escaped(block.id)}" data-label="{escaped(block.label)}"'
        f' title="{_hint(block)}" style="{_place(box)}">{inner}</div>'
    )


def _hint(block: Block) -> str:
    sure = "" if block.score is None else f", confidence {100 * block.score:.0f} %"
    return f"{escaped(block.label)} {escaped(block.id)}{sure}"


def _place(box: GridBox) -> str:
    x, y, width, height = (100 * v / GRID_MAX for v in (box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1))
    return f"left:{x:.2f}%;top:{y:.2f}%;width:{width:.2f}%;height:{height:.2f}%"


def _inside(box: GridBox, figure: GridBox) -> bool:
    x, y = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
    return figure.x1 <= x <= figure.x2 and figure.y1 <= y <= figure.y2


def _crop(box: GridBox, src: str | None, block: Block) -> str:
    """The figure's part of the page's picture: the whole picture, shifted behind a window."""
    width, height = max(box.x2 - box.x1, 1.0), max(box.y2 - box.y1, 1.0)
    label = escaped(block.text.strip() or block.label)
    if not src:
        return f"<span>{label}</span>"
    shift = f"left:{-100 * box.x1 / width:.2f}%;top:{-100 * box.y1 / height:.2f}%"
    scale = f"width:{100 * GRID_MAX / width:.2f}%;height:{100 * GRID_MAX / height:.2f}%"
    return f'<img src="{escaped(src)}" alt="{label}" style="{shift};{scale}">'


# --- words: SVG text is stretched to its box by the browser, whatever its fonts -----------------------------------


def _words(block: Block, box: GridBox, sheet: _Sheet) -> str:
    lines, size = segments_of([block]), sheet.size
    if len(block.boxes) == 1 and wraps(lines, size):
        return _paragraph(lines, box, size)
    kx, ky = size.width / GRID_MAX, size.height / GRID_MAX
    view = f"{max((box.x2 - box.x1) * kx, 1):.1f} {max((box.y2 - box.y1) * ky, 1):.1f}"
    # lines of one box are not all as wide as the box, so they must not be stretched to it
    stretch = 1.25 if len(lines) <= len(block.boxes) else 1.0
    texts = "".join(_line(line, box, kx, ky, sheet.line, stretch) for line in lines)
    return f'<svg viewBox="0 0 {view}" preserveAspectRatio="none">{texts}</svg>'


def _line(line: Segment, box: GridBox, kx: float, ky: float, usual: float, stretch: float) -> str:
    x, y = (line.box.x1 - box.x1) * kx, (line.box.y1 - box.y1) * ky
    width, height = max((line.box.x2 - line.box.x1) * kx, 1.0), max((line.box.y2 - line.box.y1) * ky, 1.0)
    natural = max(ems(line.text), 0.3)
    upright = height <= 1.8 * width or len(line.text) < 3
    along, across = (width, height) if upright else (height, width)
    across = usual if 0.8 <= across / max(usual, 1.0) <= 1.25 else across
    type_size = min(TYPE * across, 1.25 * along / natural)
    length = min(along, stretch * natural * type_size)
    place = f'x="{x:.1f}" y="{y + (height + type_size * 0.72) / 2:.1f}"'
    if not upright:
        place = f'class="down" x="{x + width / 2:.1f}" y="{y:.1f}"'
    return (
        f'<text {place} font-size="{type_size:.1f}" textLength="{length:.1f}"'
        f' lengthAdjust="spacingAndGlyphs">{escaped(line.text)}</text>'
    )


def _paragraph(lines: Sequence[Segment], box: GridBox, size: PixelSize) -> str:
    words = "<br>".join(escaped(line.text) for line in lines)
    type_size = fitted([ems(line.text) for line in lines], box, size)
    return f'<p style="font-size:{type_size:.3f}cqw">{words}</p>'


def _table(pieces: Sequence[Cell | LooseLine], sheet: _Sheet) -> str:
    sizes = sorted(
        fitted([ems(line) for line in piece.text.split("\n")], piece.box, sheet.size, share=0.9)
        for piece in pieces
        if piece.text
    )
    most = 100 * TYPE * sheet.line / sheet.size.width  # no larger than the words around it
    type_size = min([*sizes[len(sizes) // 10 :], most])
    return f'<div style="font-size:{type_size:.3f}cqw">{table_html(pieces)}</div>'
