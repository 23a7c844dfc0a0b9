"""A page of two columns with a small table, drawn here: the document of docs/images/render_two_columns.png.

python tests/two_columns.py terms.jpg && ocr-ops ocr terms.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import pymupdf

STYLE = """
* {font-family: sans-serif; font-size: 10.5pt; line-height: 1.35} h1 {font-size: 20pt; margin: 0}
h3 {font-size: 12pt; margin: 10pt 0 3pt 0} p {margin: 0 0 6pt 0; text-align: justify}
td, th {padding: 2pt 14pt 2pt 2pt; text-align: left}
"""
LEFT = """
<h3>1. Orders and prices</h3><p>Prices are those of the day on which an order is confirmed. They do not include value
added tax, which is shown apart at the rate of the day.</p><p>Books ordered for an edition that is out of print are
replaced by the nearest edition, at no higher price.</p><h3>2. Delivery</h3><p>Parcels leave the harbour depot on
Tuesdays and Fridays. A parcel that is late by more than ten days may be refused.</p>
<table><tr><th>Weight</th><th>Price</th></tr><tr><td>to 2 kg</td><td>4.90</td></tr><tr><td>to 10 kg</td><td>9.40</td>
</tr><tr><td>to 31 kg</td><td>17.20</td></tr></table>
"""
RIGHT = """
<h3>3. Payment</h3><p>Invoices are due within thirty days of their date. From the thirty-first day a charge of 4 % a
year is added.</p><p>Cheques are no longer taken. Please give the invoice number with every payment.</p>
<h3>4. Returns</h3><p>Unread books come back within fourteen days, at the cost of the sender. Maps and charts that were
unfolded are excepted.</p><h3>5. Questions</h3><p>Write to the depot at 12 Harbour Lane, Whitby, or telephone
01947 555 012 from nine to five.</p>
"""
GUTTER = (285 / 595, 310 / 595)
"""Where the left column ends and the right one starts, as shares of the page's width."""


def terms_of_trade(dpi: int = 170) -> bytes:
    """The page as a JPEG."""
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=842)
        for place, html in (
            ((50, 40, 545, 80), "<h1>Harbour Lane Books</h1>"),
            ((50, 80, 545, 100), "<p>Terms of trade, valid from 1 March 2025</p>"),
            ((50, 112, 285, 700), LEFT),
            ((310, 112, 545, 700), RIGHT),
            ((50, 800, 545, 820), '<p style="text-align: center">Page 1 of 1</p>'),
        ):
            page.insert_htmlbox(pymupdf.Rect(place), html, css=STYLE)
        page.draw_line((50, 104), (545, 104), width=0.8)
        page.draw_line((297, 115), (297, 470), width=0.4)
        data: bytes = page.get_pixmap(dpi=dpi).tobytes("jpeg")
        return data


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(terms_of_trade())
