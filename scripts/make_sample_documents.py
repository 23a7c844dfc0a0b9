"""Make the sample documents that we drew ourselves, and the broken ones.

In: the invented data below and the samples folder (the torn PDF is cut from a whole one in it). Out: four files in
that folder, the same bytes on every run with the locked Pillow, numpy and PyMuPDF. It must not touch the
documents that come from elsewhere, read the clock, or name a person.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CENT = Decimal("0.01")

RECEIPT_FILE = "receipt_en_bookshop.jpg"
INVOICE_FILE = "invoice_fr_two_pages.pdf"
BROKEN_FILE = "broken.pdf"
NOTES_FILE = "notes.pdf"
TORN_FROM = "invoice_en_cloud_services.pdf"


@dataclass(frozen=True, slots=True)
class Line:
    """One article: its net price for one, how many, and the tax rate in percent."""

    description: str
    quantity: int
    unit_price: Decimal
    tax_rate: Decimal = Decimal(20)

    @property
    def total(self) -> Decimal:
        """Price of the whole line, exact."""
        return self.quantity * self.unit_price


def tax_of(amount: Decimal, rate: Decimal) -> Decimal:
    """Tax on a net amount, rounded half up to the cent."""
    return (amount * rate / 100).quantize(CENT, ROUND_HALF_UP)


# --- the receipt: a till slip, slightly turned, unevenly lit -------------------------------------------------

RECEIPT_HEAD = ("HARBOUR LANE BOOKS", "14 Harbour Lane", "Exampleton EX1 4ZZ", "VAT No: GB 000 0000 00")
RECEIPT_NUMBER = "20417"
RECEIPT_DATE = "14/03/2025"
RECEIPT_TIME = "16:42"
RECEIPT_CASH = Decimal("50.00")
RECEIPT_LINES = (
    Line("Wall calendar", 1, Decimal("12.50")),
    Line("Notebook A5", 3, Decimal("3.20")),
    Line("Fountain pen ink", 2, Decimal("4.75")),
    Line("Gift wrap", 1, Decimal("1.90")),
)
PAPER_WIDTH_PX, PAPER_HEIGHT_PX, MARGIN_PX = 640, 980, 48


def receipt_rows() -> Iterator[tuple[str, str, int]]:
    """Yield left text, right text and font height in pixels; a row without right text is centred, "-" is a rule."""
    yield RECEIPT_HEAD[0], "", 44
    for text in RECEIPT_HEAD[1:]:
        yield text, "", 26
    yield "-", "", 20
    yield f"Receipt No: {RECEIPT_NUMBER}", f"{RECEIPT_DATE} {RECEIPT_TIME}", 26
    yield "-", "", 20
    for line in RECEIPT_LINES:
        yield f"{line.quantity} x {line.description}  @ {line.unit_price}", f"{line.total}", 28
    yield "-", "", 20
    net = sum((line.total for line in RECEIPT_LINES), Decimal(0))
    tax = tax_of(net, Decimal(20))
    yield "Subtotal", f"{net}", 28
    yield "VAT 20%", f"{tax}", 28
    yield "TOTAL GBP", f"{net + tax}", 40
    yield "-", "", 20
    yield "Cash", f"{RECEIPT_CASH}", 28
    yield "Change", f"{RECEIPT_CASH - net - tax}", 28
    yield "-", "", 20
    yield "Thank you for your visit", "", 26


def receipt_paper() -> Image.Image:
    """Draw the slip upright, black on white."""
    paper = Image.new("L", (PAPER_WIDTH_PX, PAPER_HEIGHT_PX), 246)
    draw = ImageDraw.Draw(paper)
    y = 56
    for left, right, height in receipt_rows():
        font = ImageFont.load_default(height)
        if left == "-":
            draw.line((MARGIN_PX, y + 10, PAPER_WIDTH_PX - MARGIN_PX, y + 10), fill=60, width=2)
        elif right:
            draw.text((MARGIN_PX, y), left, fill=30, font=font)
            draw.text((PAPER_WIDTH_PX - MARGIN_PX, y), right, fill=30, font=font, anchor="ra")
        else:
            draw.text((PAPER_WIDTH_PX // 2, y), left, fill=30, font=font, anchor="ma")
        y += round(height * 1.55)
    return paper


def as_photo(paper: Image.Image) -> Image.Image:
    """Lay the slip askew on a table, dim one side, blur a little and add sensor noise from a fixed seed."""
    table = Image.new("L", (paper.width + 120, paper.height + 120), 96)
    mask = Image.new("L", paper.size, 255).rotate(1.7, Image.Resampling.BICUBIC, expand=True)
    turned = paper.rotate(1.7, Image.Resampling.BICUBIC, expand=True)
    table.paste(turned, (46, 40), mask)
    pixels = np.asarray(table.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float64)
    light = np.linspace(1.0, 0.86, table.width)[np.newaxis, :]
    noise = np.random.default_rng(20250314).normal(0, 5, pixels.shape)
    return Image.fromarray(np.clip(pixels * light + noise, 0, 255).astype(np.uint8))


def receipt_bytes() -> bytes:
    """Return the receipt as a grey JPEG."""
    buffer = io.BytesIO()
    as_photo(receipt_paper()).save(buffer, "JPEG", quality=82, dpi=(200, 200))
    return buffer.getvalue()


# --- the invoice: French, two pages, the table is broken by the page ------------------------------------------

SELLER = ("Papeterie du Canal SARL", "8 quai des Exemples", "59000 Lille", "N° TVA : FR32123456789")
BUYER = ("Ateliers du Nord SAS", "21 rue de la Démonstration", "80000 Amiens")
INVOICE_FACTS = (
    ("Facture n°", "FC-2025-0187"),
    ("Date de facture", "03/02/2025"),
    ("Date d'échéance", "05/03/2025"),
    ("Bon de commande", "BC-4471"),
)
IBAN = "FR14 2004 1010 0505 0001 3M02 606"
BOOK_RATE, FULL_RATE = Decimal("5.5"), Decimal(20)
ARTICLES = (
    ("Ramette papier A4 80 g", "4.15", FULL_RATE), ("Ramette papier A3 80 g", "8.90", FULL_RATE),
    ("Enveloppes C5, boîte de 500", "21.40", FULL_RATE), ("Classeur à levier, dos 80 mm", "2.35", FULL_RATE),
    ("Intercalaires 12 touches", "1.80", FULL_RATE), ("Pochettes perforées, lot de 100", "5.60", FULL_RATE),
    ("Stylo bille bleu, boîte de 50", "11.25", FULL_RATE), ("Surligneur jaune", "0.95", FULL_RATE),
    ("Marqueur pour tableau blanc", "1.45", FULL_RATE), ("Effaceur magnétique", "3.70", FULL_RATE),
    ("Agrafeuse de bureau", "9.80", FULL_RATE), ("Agrafes 24/6, boîte de 5000", "2.10", FULL_RATE),
    ("Ciseaux 21 cm", "4.40", FULL_RATE), ("Ruban adhésif, lot de 8", "7.95", FULL_RATE),
    ("Colle en bâton 40 g", "1.65", FULL_RATE), ("Carnet à spirale A5", "2.85", FULL_RATE),
    ("Cahier 96 pages grand format", "1.90", FULL_RATE), ("Bloc-notes repositionnables", "3.25", FULL_RATE),
    ("Calculatrice de bureau", "18.60", FULL_RATE), ("Corbeille à courrier", "6.75", FULL_RATE),
    ("Dictionnaire de la langue", "31.50", BOOK_RATE), ("Guide de la facturation", "24.80", BOOK_RATE),
    ("Atlas routier", "19.90", BOOK_RATE), ("Manuel de reliure", "27.30", BOOK_RATE),
    ("Carton d'archives, lot de 10", "14.20", FULL_RATE), ("Boîte de trombones", "0.85", FULL_RATE),
    ("Règle aluminium 30 cm", "2.60", FULL_RATE), ("Tampon dateur", "12.40", FULL_RATE),
    ("Encre pour tampon", "3.95", FULL_RATE), ("Étiquettes adhésives A4", "9.15", FULL_RATE),
    ("Chemise à rabats", "1.30", FULL_RATE), ("Porte-documents zippé", "16.70", FULL_RATE),
    ("Sous-main transparent", "7.40", FULL_RATE), ("Lampe de bureau", "29.90", FULL_RATE),
    ("Tableau d'affichage en liège", "22.15", FULL_RATE), ("Punaises, boîte de 100", "1.55", FULL_RATE),
)  # fmt: skip
INVOICE_LINES = tuple(
    Line(name, 2 + index * 7 % 11, Decimal(price), rate) for index, (name, price, rate) in enumerate(ARTICLES)
)
LINES_ON_FIRST_PAGE = 25
PAGE_WIDTH_PT, PAGE_HEIGHT_PT, ROW_PT = 595, 842, 19
LEFT_PT, QUANTITY_PT, PRICE_PT, RATE_PT, RIGHT_PT = 50, 345, 415, 470, 545


def french(amount: Decimal, places: int = 2) -> str:
    """Write an amount the French way: a space between thousands, a comma before the cents."""
    return f"{amount:,.{places}f}".replace(",", " ").replace(".", ",")


class Sheet:
    """One page being written; `y_pt` is the baseline of the next row, in points from the top."""

    def __init__(self, document: pymupdf.Document) -> None:
        self.page = document.new_page(width=PAGE_WIDTH_PT, height=PAGE_HEIGHT_PT)
        self.writer = pymupdf.TextWriter(self.page.rect)
        self.plain, self.bold = pymupdf.Font("helv"), pymupdf.Font("hebo")
        self.y_pt = 60.0

    def put(self, x_pt: float, text: str, *, bold: bool = False, size_pt: float = 10) -> None:
        """Write text whose left end is at `x_pt`, on the current row."""
        self.writer.append((x_pt, self.y_pt), text, self.bold if bold else self.plain, size_pt)

    def put_right(self, x_pt: float, text: str, *, bold: bool = False, size_pt: float = 10) -> None:
        """Write text whose right end is at `x_pt`, on the current row."""
        width_pt = (self.bold if bold else self.plain).text_length(text, size_pt)
        self.put(x_pt - width_pt, text, bold=bold, size_pt=size_pt)

    def next_row(self, step_pt: float = ROW_PT) -> None:
        """Move down by `step_pt` points."""
        self.y_pt += step_pt

    def rule(self) -> None:
        """Draw a thin line across, just above the next row."""
        y = self.y_pt - 13
        self.page.draw_line((LEFT_PT, y), (RIGHT_PT, y), color=(0.4, 0.4, 0.4), width=0.6)

    def finish(self, number: int) -> None:
        """Write the page number and put all text on the page."""
        self.y_pt = PAGE_HEIGHT_PT - 30
        self.put_right(RIGHT_PT, f"Page {number} / 2", size_pt=8)
        self.put(LEFT_PT, f"{SELLER[0]} - {SELLER[3]} - IBAN {IBAN}", size_pt=8)
        self.writer.write_text(self.page)


def table_head(sheet: Sheet) -> None:
    """Write the column titles and a rule below them."""
    sheet.put(LEFT_PT, "Désignation", bold=True)
    for x_pt, text in (
        (QUANTITY_PT, "Quantité"),
        (PRICE_PT, "P.U. HT"),
        (RATE_PT, "TVA"),
        (RIGHT_PT, "Montant HT"),
    ):
        sheet.put_right(x_pt, text, bold=True)
    sheet.next_row()
    sheet.rule()


def table_rows(sheet: Sheet, lines: tuple[Line, ...]) -> None:
    """Write one row a line."""
    for line in lines:
        sheet.put(LEFT_PT, line.description)
        sheet.put_right(QUANTITY_PT, str(line.quantity))
        sheet.put_right(PRICE_PT, french(line.unit_price))
        sheet.put_right(RATE_PT, f"{french(line.tax_rate, 1)} %")
        sheet.put_right(RIGHT_PT, french(line.total))
        sheet.next_row()


def invoice_head(sheet: Sheet) -> None:
    """Write both parties, the title and the facts."""
    sheet.put(LEFT_PT, SELLER[0], bold=True, size_pt=14)
    sheet.put_right(RIGHT_PT, "FACTURE", bold=True, size_pt=18)
    sheet.next_row(16)
    for text in SELLER[1:]:
        sheet.put(LEFT_PT, text)
        sheet.next_row(14)
    sheet.next_row(16)
    top_pt = sheet.y_pt
    sheet.put(330, "Facturé à", bold=True)
    for text in BUYER:
        sheet.next_row(15)
        sheet.put(330, text)
    sheet.y_pt = top_pt
    for label, value in INVOICE_FACTS:
        sheet.put(LEFT_PT, f"{label} :", bold=True)
        sheet.put(LEFT_PT + 105, value)
        sheet.next_row(15)
    sheet.next_row(24)


def net_of(lines: tuple[Line, ...]) -> Decimal:
    """Sum of the lines, before tax."""
    return sum((line.total for line in lines), Decimal(0))


def invoice_totals() -> tuple[tuple[str, Decimal], ...]:
    """Return the labelled amounts at the foot, in the order they are printed."""
    net = net_of(INVOICE_LINES)
    taxes = []
    for rate in (BOOK_RATE, FULL_RATE):
        base = net_of(tuple(line for line in INVOICE_LINES if line.tax_rate == rate))
        taxes.append((f"TVA {french(rate, 1)} % sur {french(base)}", tax_of(base, rate)))
    tax = sum((amount for _, amount in taxes), Decimal(0))
    return ("Total HT", net), *taxes, ("Total TVA", tax), ("Total TTC", net + tax), ("Net à payer", net + tax)


def totals_block(sheet: Sheet) -> None:
    """Write the amounts at the foot, right-aligned."""
    sheet.next_row(8)
    sheet.rule()
    for label, amount in invoice_totals():
        bold = label in {"Total TTC", "Net à payer"}
        sheet.put(330, label, bold=bold)
        sheet.put_right(RIGHT_PT, f"{french(amount)} €", bold=bold)
        sheet.next_row()
    sheet.next_row()
    sheet.put(LEFT_PT, f"Règlement par virement : IBAN {IBAN}")


def invoice_bytes() -> bytes:
    """Return the invoice as a PDF with a text layer."""
    first, rest = INVOICE_LINES[:LINES_ON_FIRST_PAGE], INVOICE_LINES[LINES_ON_FIRST_PAGE:]
    document = pymupdf.open()
    sheet = Sheet(document)
    invoice_head(sheet)
    table_head(sheet)
    table_rows(sheet, first)
    sheet.put_right(PRICE_PT, "À reporter", bold=True)
    sheet.put_right(RIGHT_PT, french(net_of(first)), bold=True)
    sheet.finish(1)
    sheet = Sheet(document)
    sheet.put(LEFT_PT, f"{INVOICE_FACTS[0][0]} {INVOICE_FACTS[0][1]} (suite)", bold=True)
    sheet.next_row(30)
    table_head(sheet)
    sheet.put_right(PRICE_PT, "Report", bold=True)
    sheet.put_right(RIGHT_PT, french(net_of(first)), bold=True)
    sheet.next_row()
    table_rows(sheet, rest)
    totals_block(sheet)
    sheet.finish(2)
    document.set_metadata({"title": "Facture FC-2025-0187", "creationDate": "D:20250203090000Z"})
    document.subset_fonts()
    return bytes(document.tobytes(garbage=3, deflate=True, no_new_id=True))


# --- the broken ones ------------------------------------------------------------------------------------------


def broken_bytes(folder: Path) -> bytes:
    """Return the first half of a whole PDF: its page tree is lost, so no reader finds a page in it."""
    whole = (folder / TORN_FROM).read_bytes()
    return whole[: len(whole) // 2]


def notes_bytes() -> bytes:
    """Return plain text, which the file's name calls a PDF."""
    return b"Shopping list\n\n- stamps\n- envelopes\n- call the printer about the invoice\n"


def write_samples(folder: Path) -> list[Path]:
    """Write the four files into `folder`, which must hold the PDF that one of them is torn from."""
    contents = {
        RECEIPT_FILE: receipt_bytes(),
        INVOICE_FILE: invoice_bytes(),
        BROKEN_FILE: broken_bytes(folder),
        NOTES_FILE: notes_bytes(),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


def main() -> None:
    """Write the files and say where."""
    parser = argparse.ArgumentParser(description="Make the sample documents that are our own.")
    parser.add_argument("--folder", type=Path, default=SAMPLES, help="where to write (default: samples/)")
    for path in write_samples(parser.parse_args().folder):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
