"""An e-invoice that came without a page -> a plain PDF of what it states, so that a person can look at it.

In: an `EInvoice`. Out: PDF bytes, every value once beside its name, in schema form. The text of the XML is escaped; nothing
in it can reach beyond the page.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from html import escape
from itertools import groupby

from ocr_ops.einvoice.reading import EInvoice
from ocr_ops.model import Reading
from ocr_ops.mupdf import pymupdf

_STYLE = "body {font-family: sans-serif; font-size: 10px} p {margin: 2px 0} h1 {font-size: 14px} h2 {font-size: 11px}"
_PAPER = pymupdf.paper_rect("a4")
_MARGINS = (50, 50, -50, -50)


def drawn(einvoice: EInvoice) -> bytes:
    """The PDF of an e-invoice."""
    story = pymupdf.Story(html="".join(_html(einvoice)), user_css=_STYLE)
    out = io.BytesIO()
    writer = pymupdf.DocumentWriter(out)
    more = 1
    while more:
        device = writer.begin_page(_PAPER)
        more, _ = story.place(_PAPER + _MARGINS)
        story.draw(device)
        writer.end_page()
    writer.close()
    return out.getvalue()


def _html(einvoice: EInvoice) -> Iterator[str]:
    yield "<h1>E-invoice</h1><p>Drawn from its XML. No page was sent with it.</p>"
    yield f"<p>{escape(einvoice.syntax)} {escape(einvoice.profile)}</p>"
    for row, readings in groupby(einvoice.readings, key=_row):
        yield f"<h2>Line {int(row) + 1}</h2>" if row else "<h2>Header</h2>"
        for reading in readings:
            name = reading.path.rsplit("/", 1)[-1].replace("_", " ")
            yield f"<p>{name}: {escape(reading.value)}</p>"


def _row(reading: Reading) -> str:
    parts = reading.path.split("/")
    return parts[2] if len(parts) > 3 else ""
