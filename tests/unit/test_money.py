"""Which printed numbers can be money: a right value keeps its evidence, a number of something else gives none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from builders import candidate, page_of
from ocr_ops.judge.decide import judge
from ocr_ops.judge.evidence import find_evidence, paper_of
from ocr_ops.judge.money import find_money, writes_whole
from ocr_ops.model import Kind, Match
from ocr_ops.schemas import load_schema

CENTS = ("Goods 100.00", "Tax 19.00", "Total 119.00")


def values(text: str, mark: str = ".", *, whole: bool = False) -> list[Decimal]:
    return [amount.value for amount in find_money(text, mark, whole=whole)]


@pytest.mark.parametrize(
    ("text", "mark", "value"),
    [
        ("RM11.60", ".", "11.60"),
        ("8,83 A", ",", "8.83"),
        ("8,83A", ",", "8.83"),
        ("2,49 B*", ",", "2.49"),
        ("4,99 G", ",", "4.99"),
        ("19.58-", ".", "-19.58"),
        ("- 0.02", ".", "-0.02"),
        ("12 .50", ".", "12.50"),
        ("1 234,50 €", ",", "1234.50"),
        ("1O.5O", ".", "10.50"),
        ("EUR 50,-", ",", "50"),
        ("$ 45", ".", "45"),
        ("0,0105", ",", "0.0105"),
        ("1,50 €/kg", ",", "1.50"),
        ("2 x 3.50", ".", "3.50"),
        ("19% 19.00", ".", "19.00"),
        ("7.20 SR", ".", "7.20"),
        ("7.20 T", ".", "7.20"),
        ("Total 12.00 thank you", ".", "12.00"),
        ("12,00 pro Stück", ",", "12.00"),
    ],
)
def test_an_amount_of_money_is_found(text: str, mark: str, value: str):
    assert values(text, mark) == [Decimal(value)]


@pytest.mark.parametrize(
    "text",
    [
        "19%", "19 %", "19.00  %", "19,00 v.H.", "19.00 percent",
        "-5,0000 Stk.", "5,00 Stück", "100.00 pcs", "1.50 kg", "2.00 h", "12,00 Std.", "0.50 l", "12.00 Stunden", "3.00 STK",
        "9.30 Uhr", "10.00am", "22.00 pm",
        "DE89 3704 0044 0532 0130 00", "IBAN: DE89370400440532013000", "Tel. 040 / 12 34 50", "+49 932 431 0", "Fax: 03-8888 12.34",
        "14.03.2025", "14 March 2025", "Item 4711", "Qty 5", "3", "5.90 X",
    ],
)  # fmt: skip
def test_a_number_of_something_else_is_no_money(text: str):
    assert values(text) == ([Decimal("5.90")] if text == "5.90 X" else [])


@pytest.mark.parametrize(
    ("text", "value"), [("Total 4,500", "4500"), ("1200", "1200"), ("合計 980", "980"), ("$12.990", "12990")]
)
def test_a_document_without_cents_has_whole_amounts(text: str, value: str):
    assert values(text, "," if "." in text else ".", whole=True) == [Decimal(value)]


@pytest.mark.parametrize(
    "text",
    [
        "DE89 3704 0044 0532 0130 00",
        "Tel: 03 1234 5678",
        "14 March 2025",
        "No. 4711",
        "#12",
        "19 %",
        "5 pcs",
        "0130",
        "20250314123",
        "2 h",
    ],
)
def test_even_there_codes_dates_rates_and_quantities_are_none(text: str):
    assert values(text, whole=True) == []


def test_whether_cents_are_written_is_seen_from_the_whole_document():
    assert not writes_whole(CENTS, ".")
    assert writes_whole(("Ramen 980", "Total ¥980"), ".")
    assert writes_whole(("Arriendo $12.990", "Total $12.990", "v 2.50"), ",")
    assert not writes_whole(("Coffee $ 4", "Total 12.50", "Tax 0.50"), ".")


@pytest.mark.parametrize(
    "shown", ["VAT 19%", "VAT 19 %", "19,00 Stk.", "Account DE89 3704 0044 0532 19", "Table 19"]
)
def test_a_value_of_money_finds_no_evidence_there(shown: str):
    paper = paper_of([page_of("Goods 100.00", shown, "Total 119.00")])

    assert find_evidence(paper, "/tax_total", Kind.MONEY, "19.00").match is Match.NOT_FOUND


def test_a_quantity_with_its_unit_is_evidence_of_the_quantity():
    paper = paper_of([page_of(*CENTS, "-5,0000 Stk.")])

    assert find_evidence(paper, "/line_items/0/quantity", Kind.QUANTITY, "-5").match is not Match.NOT_FOUND
    assert find_evidence(paper, "/line_items/0/line_total", Kind.MONEY, "-5.00").match is Match.NOT_FOUND


def test_a_tax_that_only_a_rate_shows_is_dropped_and_holds_the_invoice():
    page = page_of("Beispiel GmbH", "Invoice 42", "Date 01.02.2026", "Net 100.00", "VAT 19 %", "Total 119.00")
    proposed = candidate(
        invoice_number="42", issue_date="2026-02-01", seller_name="Beispiel GmbH",
        net_total="100.00", tax_total="19.00", grand_total="119.00",
    )  # fmt: skip

    record = judge(load_schema("invoice"), [proposed], [page])

    assert "tax_total" not in record.values
    assert {problem.field for problem in record.problems} >= {"/tax_total"}
