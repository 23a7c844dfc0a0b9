from __future__ import annotations

import pytest

from layout_builder import Line, page, values
from ocr_ops.readers.layout import read_layout
from ocr_ops.schemas import load_schema

INVOICE, RECEIPT = load_schema("invoice"), load_schema("receipt")

TITLES: tuple[Line, ...] = (
    (60, 300, "Bezeichnung"),
    (420, 300, "Menge"),
    (540, 300, "Einzelpreis"),
    (700, 300, "MwSt."),
    (860, 300, "Betrag"),
)
SUMS: tuple[Line, ...] = (
    (540, 700, "Nettobetrag"),
    (860, 700, "300,50"),
    (540, 720, "MwSt. 19 %"),
    (870, 720, "57,10"),
    (540, 740, "Gesamtbetrag"),
    (860, 740, "357,60"),
)
Rows = list[dict[str, str]]


def rows_of(found: dict[str, str]) -> Rows:
    rows: dict[int, dict[str, str]] = {}
    for path, value in found.items():
        if path.startswith("/line_items/"):
            _, _, number, name = path.split("/")
            rows.setdefault(int(number), {})[name] = value
    return [rows[number] for number in sorted(rows)]


def invoice(*lines: Line) -> Rows:
    return rows_of(values(read_layout((page(lines, char=9.0, line=14.0),), INVOICE)))


def receipt(*lines: Line) -> Rows:
    return rows_of(values(read_layout((page(lines),), RECEIPT)))


def row(y: float, what: str, count: str, price: str, total: str, rate: str = "19 %") -> tuple[Line, ...]:
    return ((60, y, what), (430, y, count), (560, y, price), (700, y, rate), (860, y, total))


def test_description_goes_on_in_the_next_lines_of_its_column():
    found = invoice(
        *TITLES, *row(330, "Schleifen der Platten,", "3", "80,00", "240,00"), (60, 346, "beidseitig"),
        (60, 362, "Charge: 4711"), *row(400, "Farb-", "2", "30,25", "60,50"), (60, 416, "eimer"), (60, 460, "je 5 Liter"), *SUMS,
    )  # fmt: skip

    assert [one["description"] for one in found] == ["Schleifen der Platten, beidseitig", "Farb-eimer"]


def test_description_under_the_numbers_when_its_title_is_on_the_second_line():
    titles = ((60, 300, "GTIN"), *TITLES[1:], (240, 316, "Artikelbezeichnung"))
    found = invoice(
        *titles, *row(350, "4123456000014", "3", "80,00", "240,00"), (240, 366, "Wandfarbe"), (240, 382, "Liefer-Datum: 01.09.2023"),
        *row(420, "4123456000021", "2", "30,25", "60,50"), (240, 436, "Grundierung"), *SUMS,
    )  # fmt: skip

    assert [one["description"] for one in found] == ["Wandfarbe", "Grundierung"]


def test_row_that_multiplies_out_is_an_item_even_below_a_subtotal():
    found = invoice(
        *TITLES, *row(330, "Leiter", "3", "80,00", "240,00"), (540, 370, "Zwischensumme"), (860, 370, "240,00"),
        *row(410, "Eimer", "2", "30,25", "60,50"), *SUMS,
    )  # fmt: skip

    assert [one["line_total"] for one in found] == ["240.00", "60.50"]


def test_rows_of_the_table_of_taxes_are_no_items():
    found = invoice(
        *TITLES, *row(330, "Leiter", "3", "80,00", "240,00"), *row(350, "Eimer", "2", "30,25", "60,50"), (540, 370, "Nettobetrag"),
        (860, 370, "300,50"), *row(400, "Steuer", "19", "300,50", "57,10"), *SUMS[2:],
    )  # fmt: skip

    assert [one["line_total"] for one in found] == ["240.00", "60.50"]


def test_quantity_without_a_known_title_is_found_by_arithmetic():
    titles = (TITLES[0], (420, 300, "Xyzzy"), *TITLES[2:])
    found = invoice(
        *titles, *row(330, "Leiter", "3", "80,00", "240,00"), *row(350, "Eimer", "2", "30,25", "60,50"), *SUMS
    )

    assert [(one["quantity"], one["unit_price"]) for one in found] == [("3", "80.00"), ("2", "30.25")]


def test_amount_left_of_price_and_total_is_the_quantity():
    titles = (
        (60, 300, "Amount"),
        (200, 300, "Product"),
        (500, 300, "VAT"),
        (620, 300, "Price"),
        (860, 300, "Total"),
    )
    line = (
        (60, 330, "400.00"),
        (200, 330, "Balloons"),
        (500, 330, "19%"),
        (620, 330, "0.79"),
        (860, 330, "316.00"),
    )
    found = invoice(*titles, *line, (60, 400, "Net total: 316.00"))

    assert found == [
        {
            "description": "Balloons",
            "quantity": "400.00",
            "tax_rate": "19",
            "unit_price": "0.79",
            "line_total": "316.00",
        }
    ]


def test_title_that_goes_on_in_the_line_above_is_read_with_it():
    titles = (
        (60, 300, "Description"), (420, 300, "Quantity"), (560, 284, "Unit Price Excl."), (620, 300, "VAT"),
        (740, 300, "VAT % Line Amount Excl. VAT"),
    )  # fmt: skip
    line = (
        (60, 330, "Office chair"),
        (420, 330, "3 Piece"),
        (600, 330, "191.00"),
        (750, 330, "19"),
        (900, 330, "573.00"),
    )
    (found,) = invoice(*titles, *line, (600, 400, "Subtotal"), (900, 400, "573.00"))

    assert (found["unit_price"], found["tax_rate"], found["line_total"]) == ("191.00", "19", "573.00")


def test_table_goes_on_over_the_page_without_titles():
    first = page((*TITLES, *row(330, "Leiter", "3", "80,00", "240,00")), char=9.0, line=14.0)
    second = page((*row(60, "Eimer", "2", "30,25", "60,50"), *SUMS), number=2, char=9.0, line=14.0)

    found = rows_of(values(read_layout((first, second), INVOICE)))

    assert [one["description"] for one in found] == ["Leiter", "Eimer"]


@pytest.mark.parametrize(
    "lines",
    [
        ((60, 300, "7 x Clips"), (800, 300, "30.10")),
        ((60, 300, "7x Clips"), (800, 300, "30.10")),
        ((60, 300, "Clips"), (90, 325, "7 x 4.30"), (800, 325, "30.10")),
        ((60, 300, "Clips"), (800, 300, "30.10"), (90, 325, "7 x 4.30")),
    ],
)
def test_how_many_of_an_article_however_it_is_printed(lines: tuple[Line, ...]):
    found = receipt(*lines, (60, 400, "Lamp"), (800, 400, "5.00"), (60, 440, "TOTAL"), (800, 440, "35.10"))

    assert [one["description"] for one in found] == ["Clips", "Lamp"]
    assert [one.get("quantity") for one in found] == ["7", None]
    assert [one["line_total"] for one in found] == ["30.10", "5.00"]


def test_line_that_repeats_the_sum_of_the_items_is_no_item():
    found = receipt(
        (60, 300, "Lamp"), (800, 300, "5.00"), (60, 330, "Clips"), (800, 330, "3.00"), (60, 360, "Net"), (800, 360, "8.00"),
        (60, 400, "TOTAL"), (800, 400, "8.00"),
    )  # fmt: skip

    assert [one["description"] for one in found] == ["Lamp", "Clips"]


@pytest.mark.parametrize(
    ("carried", "brought"),
    [
        ("À reporter", "Report"),
        ("Übertrag", "Übertrag von Seite 1"),
        ("Carried forward", "Brought forward"),
        ("C/F", "B/F:"),
        ("A riportare", "Riporto"),
    ],
)
def test_a_sum_carried_to_the_next_page_is_no_item(carried: str, brought: str):
    first = page(
        (*TITLES, *row(330, "Leiter", "3", "80,00", "240,00"), (540, 360, carried), (860, 360, "240,00")),
        char=9.0,
        line=14.0,
    )
    second = page(
        (*TITLES, (540, 330, brought), (860, 330, "240,00"), *row(360, "Farbe", "2", "30,25", "60,50"), *SUMS),
        number=2, char=9.0, line=14.0,
    )  # fmt: skip

    found = rows_of(values(read_layout((first, second), INVOICE)))

    assert [(one["description"], one["line_total"]) for one in found] == [
        ("Leiter", "240.00"),
        ("Farbe", "60.50"),
    ]


def test_an_article_whose_name_begins_like_a_carried_sum_is_an_item():
    found = invoice(
        *TITLES,
        *row(330, "Report layout, 12 pages", "3", "80,00", "240,00"),
        *row(360, "Transport", "2", "30,25", "60,50"),
        *SUMS,
    )

    assert [one["line_total"] for one in found] == ["240.00", "60.50"]
