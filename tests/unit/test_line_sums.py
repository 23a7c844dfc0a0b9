"""Rows that do not add up hold the document, in words; rows that add up to something printed do not."""

from __future__ import annotations

from builders import candidate_of, page_of
from ocr_ops.judge.decide import judge
from ocr_ops.model import ProblemKind, Record, Status
from ocr_ops.schemas import load_schema

INVOICE, RECEIPT = load_schema("invoice"), load_schema("receipt")
HEAD = ("Beispiel GmbH", "Invoice number 42", "Date 01.02.2026")
FOOT = ("Net | 100.00", "VAT 19 % | 19.00", "Total | 119.00")
HEADER = {
    "/invoice_number": "42", "/issue_date": "2026-02-01", "/seller_name": "Beispiel GmbH",
    "/net_total": "100.00", "/tax_total": "19.00", "/grand_total": "119.00",
}  # fmt: skip


def rows(*totals: str) -> dict[str, str]:
    return {f"/line_items/{n}/line_total": total for n, total in enumerate(totals)}


def judged(lines: tuple[str, ...], *totals: str) -> Record:
    page = page_of(*HEAD, *lines, *FOOT)
    return judge(INVOICE, [candidate_of("layout", HEADER | rows(*totals))], [page])


def test_rows_that_make_the_net_amount_are_in_order():
    assert judged(("Chair | 60.00", "Table | 40.00"), "60.00", "40.00").status is Status.ACCEPTED


def test_rows_that_miss_the_net_amount_hold_the_document_although_its_header_adds_up():
    record = judged(("Chair | 60.00", "Table | 30.00"), "60.00", "30.00")

    (problem,) = record.problems
    assert record.status is Status.NEEDS_REVIEW
    assert (problem.kind, problem.field) == (ProblemKind.RULE_FAILED, "/line_items")
    assert (
        problem.detail == "the line items do not add up: 2 of them make 90.00, printed are 100.00 (net total)"
    )
    assert record.values["grand_total"] == "119.00"


def test_rows_before_a_printed_discount_are_in_order():
    lines = ("Chair | 60.00", "Table | 50.00", "Sum of positions | 110.00", "Discount | 10.00")

    assert judged(lines, "60.00", "50.00").status is Status.ACCEPTED


def test_a_missing_row_is_not_taken_for_a_discount():
    assert (
        judged(("Chair | 60.00", "Table | 30.00", "Lamp | 10.00"), "60.00", "30.00").status
        is Status.NEEDS_REVIEW
    )


def test_the_print_of_the_row_itself_is_not_the_print_of_its_sum():
    assert judged(("Chair | 60.00",), "60.00").status is Status.NEEDS_REVIEW


def test_rows_with_tax_that_make_the_gross_amount_are_in_order():
    assert judged(("Chair | 69.00", "Table | 50.00"), "69.00", "50.00").status is Status.ACCEPTED


def test_groups_that_end_with_their_own_sums_are_in_order():
    printed = (
        "Chair | 30.00",
        "Table | 20.00",
        "Furniture | 50.00",
        "Pens | 40.00",
        "Paper | 10.00",
        "Office | 50.00",
    )

    assert judged(printed, "30.00", "20.00", "50.00", "40.00", "10.00", "50.00").status is Status.ACCEPTED


def test_a_total_that_was_taken_for_a_row_is_no_group():
    record = judged(("Chair | 60.00", "Table | 40.00", "All | 100.00"), "60.00", "40.00", "100.00")

    assert record.status is Status.NEEDS_REVIEW


def test_one_of_several_sums_is_enough_on_a_receipt():
    page = page_of(
        "ALPHA BOOKS LTD",
        "Date: 14/03/2025",
        "Atlas | 25.00",
        "Pen | 8.50",
        "Subtotal | 33.50",
        "VAT 20% | 6.70",
        "TOTAL | 40.20",
    )
    values = {
        "/merchant_name": "ALPHA BOOKS LTD", "/date": "2025-03-14", "/subtotal": "33.50", "/tax_total": "6.70", "/total": "40.20",
    }  # fmt: skip

    whole = judge(RECEIPT, [candidate_of("layout", values | rows("25.00", "8.50"))], [page])
    part = judge(RECEIPT, [candidate_of("layout", values | rows("25.00"))], [page])

    assert whole.status is Status.ACCEPTED
    assert [problem.detail for problem in part.problems] == [
        "the line items do not add up: 1 of them makes 25.00, printed are 40.20 (total) and 33.50 (subtotal)"
    ]
