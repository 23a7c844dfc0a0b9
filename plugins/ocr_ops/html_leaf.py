"""Text of documents and models -> HTML at the leaf: nothing that comes in can be markup when it goes out.

In: any text, pieces of a table. Out: HTML. Everything that renders documents writes text through here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from ocr_ops.table_cells import Cell, LooseLine

_BREAKS = re.compile("[\u2028\u2029\x0b\x0c\x85]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Controls have no place in HTML, and those that turn the writing direction make a page show what it does not say."""

_MARKUP = re.compile("[&<>\"']")


def visible(text: str) -> str:
    """Text with every control shown as U+FFFD and every odd line break as a newline; not yet escaped."""
    if text.isprintable():  # no control and no line break is
        return text
    return _CONTROLS.sub("\ufffd", _BREAKS.sub("\n", text.replace("\r\n", "\n").replace("\r", "\n")))


def escaped(text: str) -> str:
    """Text as it may stand in HTML, between tags or in a quoted attribute."""
    if text.isprintable() and not _MARKUP.search(text):  # most of a page
        return text
    return html.escape(visible(text), quote=True)


def table_html(pieces: Sequence[Cell | LooseLine]) -> str:
    """Write cells as a plain table on one line; loose lines become rows of full width."""
    columns = max((piece.col + piece.colspan for piece in pieces if isinstance(piece, Cell)), default=1)
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in _rows(pieces, columns))
    return f"<table>{rows}</table>"


def _rows(pieces: Iterable[Cell | LooseLine], columns: int) -> Iterable[list[str]]:
    last: int | None = None
    row: list[str] = []
    for piece in pieces:
        number = piece.row if isinstance(piece, Cell) else None
        if row and (number is None or number != last):
            yield row
            row = []
        row.append(_cell(piece, columns))
        last = number
    if row:
        yield row


def _cell(piece: Cell | LooseLine, columns: int) -> str:
    text = escaped(piece.text).replace("\n", "<br>")
    if isinstance(piece, LooseLine):
        return f'<td colspan="{columns}" class="loose">{text}</td>'
    tag = "th" if piece.header else "td"
    spans = f' rowspan="{piece.rowspan}"' * (piece.rowspan > 1) + f' colspan="{piece.colspan}"' * (
        piece.colspan > 1
    )
    return f"<{tag}{spans}>{text}</{tag}>"
