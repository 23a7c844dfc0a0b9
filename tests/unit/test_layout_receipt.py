from __future__ import annotations

import pytest

from layout_builder import Line, page, values
from ocr_ops.readers.layout import read_layout
from ocr_ops.schemas import load_schema

RECEIPT = load_schema("receipt")

CORNER_SHOP: tuple[Line, ...] = (
    (300, 40, "CONTOH MAJU SDN BHD"),
    (380, 62, "(123456-X)"),
    (320, 84, "NO 12, JALAN MELUR 3/4,"),
    (320, 106, "TAMAN MELUR, 43000 KAJANG,"),
    (400, 128, "SELANGOR"),
    (330, 150, "TEL: 03-8712 3456"),
    (300, 172, "GST ID : 001234567890"),
    (380, 200, "TAX INVOICE"),
    (60, 240, "Invoice No : CS00417"),
    (600, 240, "Date : 14/03/2018 08:13 PM"),
    (60, 290, "Milo 3in1 10s"),
    (800, 290, "12.90"),
    (60, 320, "2 x 4.50"),
    (60, 300 + 44, "Kaya toast"),
    (800, 344, "9.00"),
    (60, 420, "Total (Excluding GST):"),
    (800, 420, "21.90"),
    (60, 445, "GST 6%"),
    (800, 445, "1.31"),
    (60, 470, "Total (Inclusive of GST):"),
    (800, 470, "23.21"),
    (60, 495, "Rounding Adj:"),
    (800, 495, "-0.01"),
    (60, 520, "TOTAL:"),
    (800, 520, "23.20"),
    (60, 560, "CASH"),
    (800, 560, "50.00"),
    (60, 585, "CHANGE"),
    (800, 585, "26.80"),
    (60, 630, "GST Summary"),
    (400, 630, "Amount(RM)"),
    (700, 630, "Tax(RM)"),
    (60, 655, "SR (@ 6%)"),
    (400, 655, "21.90"),
    (700, 655, "1.31"),
    (200, 720, "THANK YOU, PLEASE COME AGAIN"),
)


def read(lines: tuple[Line, ...], *, slope: float = 0.0) -> dict[str, str]:
    return values(read_layout((page(lines, slope=slope),), RECEIPT))


def test_receipt_is_read_whole() -> None:
    found = read(CORNER_SHOP)

    assert found["/merchant_name"] == "CONTOH MAJU SDN BHD"
    assert found["/merchant_address"] == "NO 12, JALAN MELUR 3/4, TAMAN MELUR, 43000 KAJANG, SELANGOR"
    assert found["/merchant_tax_id"] == "001234567890"
    assert found["/receipt_number"] == "CS00417"
    assert found["/date"] == "2018-03-14"
    assert found["/time"] == "20:13"
    assert found["/currency"] == "MYR"
    assert found["/subtotal"] == "21.90"
    assert found["/tax_total"] == "1.31"
    assert found["/total"] == "23.20"


def test_reading_names_the_blocks_it_saw_and_what_was_printed() -> None:
    candidate = read_layout((page(CORNER_SHOP),), RECEIPT)
    total = next(r for r in candidate.readings if r.path == "/total")

    assert total.raw == "23.20"
    printed = {f"p001.b{n:03d}": text for n, (_, _, text) in enumerate(CORNER_SHOP, start=1)}
    assert [printed[block] for block in total.blocks] == ["23.20", "TOTAL:"]
    assert 0.5 < total.score <= 1.0


@pytest.mark.parametrize("slope", [-0.04, -0.02, 0.02, 0.04])
def test_crooked_scan_is_read_like_a_straight_one(slope: float) -> None:
    found = read(CORNER_SHOP, slope=slope)

    assert found["/total"] == "23.20"
    assert found["/subtotal"] == "21.90"
    assert found["/tax_total"] == "1.31"
    assert found["/date"] == "2018-03-14"


def test_label_and_amount_in_one_piece() -> None:
    found = read(((100, 50, "Pasar Mini"), (100, 200, "Roti 3.20"), (100, 300, "TOTAL: RM 12.50")))

    assert found["/total"] == "12.50"


@pytest.mark.parametrize(
    "label",
    [
        "T0TAL",
        "TOTAI",
        "Tota1 Amount",
        "TotaI Sales Inclucive GST",
        "Gr4nd Total",
        "TOTALAMOUNT",
        "Iotal Due",
    ],
)
def test_total_is_found_behind_a_damaged_label(label: str) -> None:
    found = read(
        ((300, 40, "KEDAI SATU"), (60, 300, "Nasi"), (800, 300, "7.50"), (60, 340, "Teh"), (800, 340, "2.00"),
         (60, 400, label), (800, 400, "9.50"), (60, 440, "Cash"), (800, 440, "10.00"), (60, 470, "Change"), (800, 470, "0.50"))
    )  # fmt: skip

    assert found["/total"] == "9.50"


@pytest.mark.parametrize(
    ("label", "amount"),
    [
        ("Total Qty", "3.00"),
        ("Total Saving", "4.00"),
        ("Total Discount", "2.00"),
        ("Change", "40.50"),
        ("Cash Tendered", "50.00"),
        ("Total Points", "950.00"),
        ("Subtotal", "8.96"),
        ("Total Excl. GST", "8.96"),
        ("Total GST", "0.54"),
    ],
)
def test_amounts_beside_other_words_are_not_the_total(label: str, amount: str) -> None:
    found = read(
        ((300, 40, "KEDAI SATU"), (60, 300, "Nasi"), (800, 300, "9.50"), (60, 400, "Total"), (800, 400, "9.50"),
         (60, 450, label), (800, 450, amount))
    )  # fmt: skip

    assert found["/total"] == "9.50"


def test_total_after_rounding_wins_over_total_before() -> None:
    found = read(
        ((300, 40, "KEDAI SATU"), (60, 300, "Total Sales Incl GST"), (800, 300, "12.39"), (60, 330, "Rounding Adjustment"),
         (800, 330, "0.01"), (60, 360, "Total after rounding"), (800, 360, "12.40"), (60, 390, "Cash"), (800, 390, "12.40"))
    )  # fmt: skip

    assert found["/total"] == "12.40"


def test_label_one_line_above_its_amount() -> None:
    found = read(
        ((300, 40, "Cafe Muster"), (500, 300, "Amount due"), (520, 322, "18.40"), (60, 500, "Thank you"))
    )

    assert found["/total"] == "18.40"


def test_german_receipt_with_decimal_commas() -> None:
    found = read(
        ((380, 30, "Musterladen GmbH"), (380, 52, "Beispielstr. 4"), (380, 74, "12345 Musterstadt"), (820, 120, "EUR"),
         (60, 150, "Brot"), (800, 150, "2,49 A"), (60, 175, "Apfelsaft"), (560, 175, "0,99 x 2"), (800, 175, "1,98 A"),
         (60, 230, "zu zahlen"), (800, 230, "4,47"), (60, 255, "Bar"), (800, 255, "5,00"), (60, 280, "Rückgeld"), (800, 280, "-0,53"),
         (60, 330, "MWST%"), (300, 330, "MWST"), (500, 330, "Netto"), (800, 330, "Brutto"),
         (60, 355, "A 7 %"), (300, 355, "0,29"), (500, 355, "4,18"), (800, 355, "4,47"),
         (600, 400, "18.05.20 09:50"), (200, 440, "USt-IdNr: DE123456789"))
    )  # fmt: skip

    assert found["/total"] == "4.47"
    assert found["/date"] == "2020-05-18"
    assert found["/currency"] == "EUR"
    assert found["/merchant_name"] == "Musterladen GmbH"
    assert found["/merchant_tax_id"] == "DE123456789"


def test_items_that_add_up_become_lines_with_count_and_price() -> None:
    found = read(CORNER_SHOP)

    assert found["/line_items/0/description"] == "Milo 3in1 10s"
    assert found["/line_items/0/line_total"] == "12.90"
    assert found["/line_items/1/line_total"] == "9.00"
    assert found["/line_items/1/quantity"] == "2"
    assert found["/line_items/1/unit_price"] == "4.50"
    assert "/line_items/2/line_total" not in found


def test_items_that_do_not_add_up_are_left_out() -> None:
    found = read(
        ((300, 40, "KEDAI SATU"), (60, 300, "Nasi"), (800, 300, "7.50"), (60, 330, "Teh"), (800, 330, "2.00"),
         (60, 400, "Total"), (800, 400, "19.50"))
    )  # fmt: skip

    assert not [path for path in found if path.startswith("/line_items")]


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (((300, 40, "TAX INVOICE"), (300, 70, "BUNGA RAYA TRADING"), (300, 100, "NO 3, JALAN SATU")), "BUNGA RAYA TRADING"),
        (((300, 40, "SELERA KAMPUNG"), (300, 62, "RESTAURANT SDN BHD"), (300, 84, "NO 3, JALAN SATU")), "SELERA KAMPUNG RESTAURANT SDN BHD"),
        (((300, 40, "CONTOH SON BHD (123456-X)"), (300, 62, "NO 3, JALAN SATU")), "CONTOH SDN BHD"),
        (((300, 40, "ROTI EMPAT 5/B (123456-X)"), (300, 62, "NO 3, JALAN SATU")), "ROTI EMPAT S/B"),
        (((100, 10, "31803014"), (300, 40, "Kedai Buku Maju"), (300, 62, "NO 3, JALAN SATU")), "Kedai Buku Maju"),
        (((300, 40, "WELCOME TO"), (300, 70, "Muster & Co. KG"), (300, 100, "Beispielweg 3")), "Muster & Co. KG"),
    ],
)  # fmt: skip
def test_merchant_name_is_the_trading_name_at_the_head(lines: tuple[Line, ...], name: str) -> None:
    found = read((*lines, (300, 122, "43000 KAJANG"), (60, 400, "Total"), (800, 400, "9.50")))

    assert found["/merchant_name"] == name


def test_registration_phone_and_tax_lines_stay_out_of_the_address() -> None:
    found = read(
        ((300, 40, "CONTOH SDN BHD"), (300, 62, "Co. Reg No: 123456-X"), (300, 84, "Lot 5, Jalan Satu,"), (300, 106, "50000 Kuala Lumpur"),
         (300, 128, "Tel: 03-1234 5678"), (300, 150, "GST No: 001234567890"), (60, 400, "Total"), (800, 400, "9.50"))
    )  # fmt: skip

    assert found["/merchant_address"] == "Lot 5, Jalan Satu, 50000 Kuala Lumpur"


@pytest.mark.parametrize(
    ("other", "printed"),
    [
        ("Expiry", "31/12/2020"),
        ("Member since", "01/01/2011"),
        ("Valid until", "01/05/2018"),
        ("Due date", "13/04/2018"),
    ],
)
def test_dates_of_other_things_are_passed_over(other: str, printed: str) -> None:
    found = read(
        (
            (60, 100, f"{other}: {printed}"),
            (60, 300, "14/03/2018 10:20"),
            (60, 400, "Total"),
            (800, 400, "9.50"),
        )
    )

    assert found["/date"] == "2018-03-14"


def test_one_clear_date_decides_the_order_of_the_others() -> None:
    american = read(((60, 100, "Date: 03/05/2018"), (60, 300, "Printed 12/25/2018"), (60, 400, "Total 9.50")))
    malaysian = read(
        ((60, 100, "Date: 03/05/2018"), (60, 300, "Printed 25/12/2018"), (60, 400, "Total 9.50"))
    )

    assert american["/date"] == "2018-03-05"
    assert malaysian["/date"] == "2018-05-03"


def test_dollars_of_an_american_company_read_month_first() -> None:
    found = read(((300, 40, "Example Diner Inc."), (60, 100, "03/05/2018"), (60, 400, "Total $9.50")))

    assert (found["/currency"], found["/date"]) == ("USD", "2018-03-05")


def test_page_without_words_gives_no_reading() -> None:
    assert values(read_layout((page(()),), RECEIPT)) == {}
    assert values(read_layout((), RECEIPT)) == {}


def test_picture_of_nothing_like_a_receipt_gives_no_total() -> None:
    found = read(((100, 100, "To whom it may concern"), (100, 140, "I have no numbers for you.")))

    assert "/total" not in found
    assert "/date" not in found


def test_parts_of_a_table_of_tax_by_rate_are_not_the_receipts_net_and_tax() -> None:
    found = read(
        ((380, 30, "Musterladen GmbH"), (60, 230, "Summe EUR"), (800, 230, "8,83"), (60, 330, "MWST"), (300, 330, "Netto"),
         (500, 330, "MWST-Betrag"), (800, 330, "Brutto"), (60, 355, "A 7,00%"), (300, 355, "6,59"), (500, 355, "0,46"), (800, 355, "7,05"),
         (60, 380, "B 19,00%"), (300, 380, "1,50"), (500, 380, "0,28"), (800, 380, "1,78"))
    )  # fmt: skip

    assert found["/total"] == "8.83"
    assert "/subtotal" not in found
    assert "/tax_total" not in found


def test_sum_row_of_a_table_of_tax_by_rate_is_the_receipts_net_and_tax() -> None:
    found = read(
        ((380, 30, "Musterladen GmbH"), (60, 230, "zu zahlen"), (800, 230, "19,77"), (60, 330, "MWST%"), (300, 330, "MWST"), (500, 330, "Netto"),
         (800, 330, "Brutto"), (60, 355, "A 7 %"), (300, 355, "0,58"), (500, 355, "8,22"), (800, 355, "8,80"), (60, 380, "B 19 %"),
         (300, 380, "1,75"), (500, 380, "9,22"), (800, 380, "10,97"), (60, 405, "Summe"), (300, 405, "2,33"), (500, 405, "17,44"), (800, 405, "19,77"))
    )  # fmt: skip

    assert (found["/subtotal"], found["/tax_total"], found["/total"]) == ("17.44", "2.33", "19.77")


def test_net_and_tax_that_do_not_make_the_total_are_not_proposed_together() -> None:
    found = read(
        ((300, 40, "KEDAI SATU"), (60, 300, "Subtotal"), (800, 300, "20.00"), (60, 330, "GST 6%"), (800, 330, "0.60"),
         (60, 360, "Grand total"), (800, 360, "25.00"), (60, 390, "Cash"), (800, 390, "25.00"))
    )  # fmt: skip

    assert found["/total"] == "25.00"
    assert not {"/subtotal", "/tax_total"} <= found.keys()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("CONTOH STATIONERY SHOP", "CONTOH STATIONERY SHOP"),
        ("Contoh Marketing 5dn Bhd", "Contoh Marketing SDN BHD"),
        ("CONTOH BAKERIES (KLI SDN BHD", "CONTOH BAKERIES (KL) SDN BHD"),
        ("CONTOH 1DEA SDN BHD", "CONTOH IDEA SDN BHD"),
        ("1UTAMA CONTOH SDN BHD", "1UTAMA CONTOH SDN BHD"),
    ],
)
def test_merchant_name_is_written_as_it_was_meant(line: str, name: str) -> None:
    assert read(((200, 40, line), (200, 80, "NO 3, JALAN SATU, 43000 KAJANG")))["/merchant_name"] == name


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (("Muster Markt GmbH", "Lindenweg 59", "9999 Beispielikon"), "Lindenweg 59, 9999 Beispielikon"),
        (("Muestra S.L.", "Calle Nueva 16", "99002 Villamuestra", "CIF: ESB08947111", "Nº ticket: 009627"), "Calle Nueva 16, 99002 Villamuestra"),
        (("CONTOH SDN BHD", "1.ot 3, J1n Satu, Taman Melur", "4300O KAJANG, SELANGOR"), "Lot 3, Jln Satu, Taman Melur, 43000 KAJANG, SELANGOR"),
        (("TQ FOR SHOPPING", "UNIT 105, JALAN SATU", "43000 KAJANG, SELANGOR", "CONTOH RETAIL SB(306295-X)"), "UNIT 105, JALAN SATU, 43000 KAJANG, SELANGOR"),
    ],
)  # fmt: skip
def test_address_is_whole_and_nothing_else(lines: tuple[str, ...], address: str) -> None:
    found = read(tuple((200, 40 + 30 * n, text) for n, text in enumerate(lines)))

    assert found["/merchant_address"] == address


def test_name_printed_in_pieces_names_all_of_their_blocks() -> None:
    shop = (
        (100, 40, "CONTOH"),
        (200, 40, "MAJU"),
        (270, 40, "SDN"),
        (330, 40, "BHD"),
        (100, 80, "NO 3, JALAN SATU, KAJANG"),
    )
    candidate = read_layout((page(shop),), RECEIPT)

    (name,) = [reading for reading in candidate.readings if reading.path == "/merchant_name"]
    assert name.blocks == ("p001.b001", "p001.b002", "p001.b003", "p001.b004")


@pytest.mark.parametrize("sold", ["2 x Coffee Ltd", "Widget Sdn Bhd model", "Kopi O Enterprise"])
def test_a_priced_row_is_never_the_merchant(sold: str) -> None:
    found = read(
        (
            (60, 40, sold),
            (800, 40, "12.00 SR"),
            (60, 80, "TOTAL"),
            (800, 80, "12.00"),
            (60, 120, "CASH"),
            (800, 120, "12.00"),
        )
    )

    assert "/merchant_name" not in found


def test_a_shop_that_is_called_after_a_price_keeps_its_name() -> None:
    found = read(
        (
            (300, 40, "RM 2.10 SHOP SDN BHD"),
            (300, 70, "NO 3, JALAN SATU, 43000 KAJANG"),
            (60, 120, "TOTAL"),
            (800, 120, "12.00"),
        )
    )

    assert found["/merchant_name"] == "RM 2.10 SHOP SDN BHD"
