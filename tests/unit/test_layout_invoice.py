from __future__ import annotations

import json
from dataclasses import replace

import pytest

from builders import page_of
from layout_builder import Line, page, read_page, values
from ocr_ops.model import Block, FieldSpec, GridBox, Kind, Schema
from ocr_ops.readers.layout import read_layout
from ocr_ops.schemas import load_schema

INVOICE = load_schema("invoice")

GERMAN: tuple[Line, ...] = (
    (700, 60, "Werkstatt Nord GmbH"),
    (700, 80, "Hafenweg 7"),
    (700, 100, "20457 Hamburg"),
    (700, 120, "Tel. 040 1234567"),
    (100, 150, "Werkstatt Nord GmbH - Hafenweg 7 - 20457 Hamburg"),
    (100, 180, "Muster AG"),
    (100, 200, "Lindenallee 12"),
    (100, 220, "10115 Berlin"),
    (100, 300, "Rechnung Nr. RE-2024-0815"),
    (600, 300, "Rechnungsdatum: 05.03.2024"),
    (600, 325, "Lieferdatum: 01.03.2024"),
    (100, 400, "Bezeichnung"),
    (500, 400, "Menge"),
    (640, 400, "Einzelpreis"),
    (860, 400, "Betrag"),
    (100, 430, "Schleifarbeiten"),
    (520, 430, "3"),
    (690, 430, "80,00"),
    (860, 430, "240,00"),
    (100, 455, "Farbe, 5 Liter"),
    (520, 455, "2"),
    (690, 455, "30,25"),
    (870, 455, "60,50"),
    (640, 520, "Nettobetrag"),
    (860, 520, "300,50"),
    (640, 545, "zzgl. 19 % MwSt."),
    (870, 545, "57,10"),
    (640, 570, "Rechnungsbetrag"),
    (860, 570, "357,60"),
    (100, 640, "Bitte überweisen Sie bis zum 19.03.2024."),
    (100, 900, "IBAN DE89 3704 0044 0532 0130 00"),
    (600, 900, "USt-IdNr. DE123456789"),
)


def read(lines: tuple[Line, ...]) -> dict[str, str]:
    return values(read_layout((page(lines, char=9.0, line=14.0),), INVOICE))


def test_german_invoice_is_read_whole() -> None:
    found = read(GERMAN)

    assert found["/invoice_number"] == "RE-2024-0815"
    assert found["/issue_date"] == "2024-03-05"
    assert found["/due_date"] == "2024-03-19"
    assert found["/seller_name"] == "Werkstatt Nord GmbH"
    assert found["/buyer_name"] == "Muster AG"
    assert found["/buyer_address"] == "Lindenallee 12, 10115 Berlin"
    assert found["/seller_iban"] == "DE89370400440532013000"
    assert found["/seller_tax_id"] == "DE123456789"
    assert found["/currency"] == "EUR"
    assert (found["/net_total"], found["/tax_total"], found["/grand_total"]) == ("300.50", "57.10", "357.60")


def test_table_under_a_header_gives_line_items() -> None:
    found = read(GERMAN)

    assert found["/line_items/0/description"] == "Schleifarbeiten"
    assert found["/line_items/0/quantity"] == "3"
    assert found["/line_items/0/unit_price"] == "80.00"
    assert found["/line_items/0/line_total"] == "240.00"
    assert found["/line_items/1/line_total"] == "60.50"
    assert "/line_items/2/line_total" not in found


def test_totals_under_their_column_words() -> None:
    found = read(
        ((100, 100, "Rechnung 4711"), (400, 600, "Netto EUR"), (600, 600, "MwSt. EUR"), (800, 600, "Brutto EUR"),
         (100, 630, "19,00 %"), (400, 630, "376,37"), (610, 630, "71,51"), (810, 630, "447,88"))
    )  # fmt: skip

    assert (found["/net_total"], found["/tax_total"], found["/grand_total"]) == ("376.37", "71.51", "447.88")


def test_parties_under_headings_with_name_and_address_labels() -> None:
    found = read(
        ((100, 100, "Verkäufer"), (100, 125, "Name:"), (500, 125, "Werkstatt Nord GmbH"), (100, 150, "Anschrift:"), (500, 150, "Hafenweg 7"),
         (500, 175, "DE 20457 Hamburg"), (100, 240, "Käufer"), (100, 265, "Name:"), (500, 265, "Beispiel AG"), (100, 290, "Anschrift:"),
         (500, 290, "Lindenallee 12"), (500, 315, "DE 10115 Berlin"))
    )  # fmt: skip

    assert found["/seller_name"] == "Werkstatt Nord GmbH"
    assert found["/seller_address"] == "Hafenweg 7, DE 20457 Hamburg"
    assert found["/buyer_name"] == "Beispiel AG"


def test_due_date_under_its_label_and_bill_to_block() -> None:
    found = read(
        ((100, 60, "Example Parts Ltd"), (100, 80, "4 Mill Lane"), (100, 100, "AB1 2CD Sometown"), (600, 60, "Invoice No: INV-77"),
         (600, 85, "Invoice Date: 2 March 2024"), (100, 200, "Bill to"), (100, 220, "Sample Books Ltd"), (100, 240, "9 High Street"),
         (100, 260, "EF3 4GH Othertown"), (600, 200, "Due Date"), (600, 220, "1 April 2024"), (600, 500, "Total due"), (800, 500, "£120.00"))
    )  # fmt: skip

    assert found["/invoice_number"] == "INV-77"
    assert found["/issue_date"] == "2024-03-02"
    assert found["/due_date"] == "2024-04-01"
    assert found["/buyer_name"] == "Sample Books Ltd"
    assert found["/buyer_address"] == "9 High Street, EF3 4GH Othertown"
    assert found["/grand_total"] == "120.00"
    assert found["/currency"] == "GBP"


def test_french_invoice_with_blanks_between_thousands() -> None:
    found = read(
        ((400, 100, "Facture n° 2022-117"), (100, 130, "Date : 28/11/2022"), (600, 500, "Total HT :"), (800, 500, "1 234,50 €"),
         (600, 530, "TVA 20% :"), (800, 530, "246,90 €"), (600, 560, "Total TTC :"), (800, 560, "1 481,40 €"))
    )  # fmt: skip

    assert found["/invoice_number"] == "2022-117"
    assert found["/issue_date"] == "2022-11-28"
    assert (found["/net_total"], found["/tax_total"], found["/grand_total"]) == (
        "1234.50",
        "246.90",
        "1481.40",
    )


def test_table_block_of_a_grounding_model_is_read_like_lines() -> None:
    table = (
        "<table><tr><td>Description</td><td>Qty</td><td>Unit price</td><td>Amount</td></tr>"
        "<tr><td>Blue paint</td><td>2</td><td>30.25</td><td>60.50</td></tr>"
        "<tr><td>Sanding</td><td>3</td><td>80.00</td><td>240.00</td></tr></table>"
    )
    blocks = (
        Block(
            "p001.b001",
            "text",
            (GridBox(60, 40, 600, 120),),
            "Example Paint Ltd\nInvoice No: INV-5\nInvoice Date: 02.03.2024",
        ),
        Block("p001.b002", "table", (GridBox(60, 300, 940, 420),), table),
        Block(
            "p001.b003",
            "text",
            (GridBox(600, 500, 940, 560),),
            "Subtotal: 300.50\nVAT: 60.10\nTotal: EUR 360.60",
        ),
    )

    found = values(read_layout((read_page(blocks),), INVOICE))

    assert found["/invoice_number"] == "INV-5"
    assert found["/issue_date"] == "2024-03-02"
    assert (found["/net_total"], found["/tax_total"], found["/grand_total"]) == ("300.50", "60.10", "360.60")
    assert found["/line_items/0/description"] == "Blue paint"
    assert found["/line_items/0/quantity"] == "2"
    assert found["/line_items/1/line_total"] == "240.00"


def test_totals_on_the_last_page_and_number_on_the_first() -> None:
    first = page(((100, 100, "Invoice No: A-1009"), (100, 125, "Invoice date: 5 May 2023")), number=1)
    last = page(((600, 100, "Net total"), (800, 100, "100.00"), (600, 125, "VAT"), (800, 125, "20.00"), (600, 150, "Grand total"), (800, 150, "120.00")), number=2)  # fmt: skip

    found = values(read_layout((first, last), INVOICE))

    assert found["/invoice_number"] == "A-1009"
    assert (found["/net_total"], found["/tax_total"], found["/grand_total"]) == ("100.00", "20.00", "120.00")


def test_new_document_type_with_labels_needs_no_code() -> None:
    ticket = Schema(
        doc_type="parking_ticket",
        version=1,
        fingerprint=INVOICE.fingerprint,
        document=json.loads("{}"),
        fields=(
            FieldSpec("/ticket", Kind.IDENTIFIER, required=True, labels={"en": ("ticket no",)}),
            FieldSpec("/entered", Kind.DATE, required=True, labels={"en": ("entry",)}),
            FieldSpec("/entered_at", Kind.TIME, labels={"en": ("entry time",)}),
            FieldSpec("/fee", Kind.MONEY, labels={"en": ("parking fee",)}),
            FieldSpec("/deposit", Kind.MONEY, labels={"en": ("deposit",)}),
        ),
        rules=(),
    )
    lines = ((100, 100, "Ticket No. P-00417"), (100, 140, "Entry: 04/05/2023"), (100, 180, "Parking fee"), (600, 180, "6.50"),
             (100, 220, "Deposit"), (600, 220, "20.00"))  # fmt: skip

    found = values(read_layout((page(lines),), ticket))

    assert found["/ticket"] == "P-00417"
    assert found["/entered"] == "2023-05-04"
    assert (found["/fee"], found["/deposit"]) == ("6.50", "20.00")


def test_reading_is_the_same_whatever_the_order_of_the_blocks() -> None:
    straight = page(GERMAN, char=9.0, line=14.0)
    turned_round = replace(straight, blocks=tuple(reversed(straight.blocks)))

    assert values(read_layout((straight,), INVOICE)) == values(read_layout((turned_round,), INVOICE))


def test_the_only_party_on_a_page_is_the_one_who_writes_the_invoice():
    lines = (
        "Beispiel Werkzeug GmbH",
        "Hauptstr. 5, 12345 Musterstadt",
        "Rechnung Nr. 2026-77",
        "Gesamtbetrag 119,00 EUR",
    )
    alone = page_of(*lines, size=(1654, 2339))

    found = {reading.path: reading.value for reading in read_layout([alone], INVOICE).readings}

    assert found["/seller_name"] == "Beispiel Werkzeug GmbH"
    assert "/buyer_name" not in found


def test_a_town_with_its_state_is_no_sender() -> None:
    lines = (
        (60, 40, "Silver Birch Groceries Ltd"), (60, 62, "179 Station Avenue"), (60, 84, "Sampleville, OH 43999"),
        (60, 180, "Bill to:"), (60, 202, "Northgate Hardware LLC"), (60, 224, "2 Harbour Avenue"), (60, 246, "Testburg, NY 12999"),
        (60, 400, "Total"), (800, 400, "$ 382.69"),
    )  # fmt: skip

    found = values(read_layout((page(lines),), INVOICE))

    assert found["/seller_name"] == "Silver Birch Groceries Ltd"
    assert found["/seller_address"].startswith("179 Station Avenue")


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("Forniture Acquachiara S.r.I.", "Forniture Acquachiara S.r.l."),
        ("Harbour Groceries & Co", "Harbour Groceries & Co"),
    ],
)
def test_a_name_is_a_name_whatever_its_letters_look_like(printed: str, name: str) -> None:
    lines = (
        (60, 40, printed), (60, 62, "148 Harbour Street"), (60, 84, "Exampleton EX1 4ZZ"), (60, 180, "Bill to:"),
        (60, 202, "Northgate Hardware LLC"), (60, 224, "2 Harbour Avenue"), (60, 246, "Exampleton EX1 4ZZ"), (60, 400, "Total"), (800, 400, "382.69"),
    )  # fmt: skip

    assert values(read_layout((page(lines),), INVOICE))["/seller_name"] == name
