from __future__ import annotations

import pytest

from layout_builder import Line, page
from ocr_ops.model import ReadPage
from ocr_ops.readers.doc_type import choose
from ocr_ops.schemas import load_schema

TYPES = tuple(load_schema(name) for name in ("invoice", "receipt", "taxi_receipt_cn"))

SLIP: tuple[Line, ...] = (
    (300, 60, "Winkel Waterkant"),
    (300, 90, "Lindenlaan 12"),
    (60, 200, "1 x Plakband"),
    (800, 200, "34,84"),
    (60, 230, "2 x Olijfolie"),
    (800, 230, "65,88"),
    (60, 300, "TOTAAL EUR"),
    (790, 300, "100,72"),
)


def chosen(*pages: ReadPage) -> str:
    return choose(pages, TYPES).doc_type


@pytest.mark.parametrize("title", ["", "RECHNUNG", "FACTURA SIMPLIFICADA", "TAX INVOICE", "FACTURE"])
def test_slip_is_a_receipt_whatever_stands_over_it(title: str):
    assert chosen(page(((300, 20, title), *SLIP) if title else SLIP, char=17)) == "receipt"


def test_slip_in_the_middle_of_a_sheet_is_still_a_slip():
    small = tuple((300 + x / 4, y / 3, text) for x, y, text in SLIP)

    assert chosen(page(small, char=17 / 4, line=6)) == "receipt"


def test_small_letters_from_edge_to_edge_are_a_sheet():
    assert chosen(page(SLIP, char=8)) == "invoice"


def test_words_decide_on_a_sheet():
    paid = ((60, 500, "Cash tendered"), (60, 520, "Change due"), (60, 540, "Cashier 4"))

    assert chosen(page((*SLIP, *paid), char=8)) == "receipt"
    assert chosen(page((*SLIP, (60, 500, "Payment terms"), (60, 520, "IBAN")), char=8)) == "invoice"


def test_page_of_a_few_words_goes_by_the_picture():
    assert chosen(page(((60, 60, "Total 5.00"),))) == "invoice"


def test_no_pages_give_the_first_type():
    assert chosen() == "invoice"
