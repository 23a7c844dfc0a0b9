"""What a record says of tax, parties and likeness, without guessing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.finance_rows import duplicate_keys, party_rows, tax_rows


def line(rate: str | None, amount: str | None) -> dict[str, Any]:
    return {"tax_rate": rate, "line_total": amount}


def taxes(**values: Any) -> list[tuple[Any, ...]]:
    rows = tax_rows(values)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    return [(row["rate"], row["taxable"], row["tax"], row["basis"]) for row in rows]


def test_lines_that_make_the_net_give_tax_by_rate():
    lines = [line("19", "100.00"), line("7", "50.00"), line("19", "10.00")]

    assert taxes(net_total="160.00", tax_total="24.40", line_items=lines) == [
        (Decimal("7"), Decimal("50.00"), Decimal("3.50"), "lines"),
        (Decimal("19"), Decimal("110.00"), Decimal("20.90"), "lines"),
    ]


def test_tax_that_does_not_make_the_printed_total_stays_empty():
    lines = [line("19", "100.00"), line("7", "50.00")]

    assert [tax for *_, tax, _ in taxes(net_total="150.00", tax_total="99.00", line_items=lines)] == [
        None,
        None,
    ]


def test_one_rate_has_the_printed_tax():
    assert taxes(net_total="10.00", tax_total="1.91", line_items=[line("19", "10.00")]) == [
        (Decimal("19"), Decimal("10.00"), Decimal("1.91"), "lines")
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [line("19", "100.00"), line(None, "60.00")],
        [line("19", None)],
        [line("19", "100.00")],
        [line("nineteen", "160.00")],
        ["not a line"],
        "not lines",
        None,
    ],
)
def test_lines_that_do_not_carry_the_net_leave_the_totals(lines):
    expected = [(None, Decimal("160.00"), Decimal("30.40"), "totals")]

    assert taxes(net_total="160.00", tax_total="30.40", line_items=lines) == expected


def test_no_tax_total_and_no_lines_is_no_row():
    assert taxes(net_total="160.00", grand_total="190.40") == []


def test_a_receipts_subtotal_is_what_is_taxed():
    assert taxes(subtotal="10.00", tax_total="0.60") == [(None, Decimal("10.00"), Decimal("0.60"), "totals")]


def test_seller_and_buyer_of_an_invoice():
    values = {
        "seller_name": "Müller & Söhne GmbH",
        "seller_iban": "DE89370400440532013000",
        "buyer_tax_id": "DE1",
        "seller_tax_id": "9" * 41,
    }

    seller, buyer = party_rows(values)
    assert (seller["role"], seller["name_key"], seller["iban"]) == (
        "seller",
        "müllersöhnegmbh",
        "DE89370400440532013000",
    )
    assert seller["tax_id"] is None
    assert (buyer["role"], buyer["tax_id"], buyer["name"], buyer["name_key"]) == ("buyer", "DE1", None, None)


@pytest.mark.parametrize("field", ["merchant_name", "company"])
def test_a_merchant_is_a_seller(field):
    assert [(row["role"], row["name"]) for row in party_rows({field: "Kopi Tiam"})] == [
        ("seller", "Kopi Tiam")
    ]


def test_nobody_named_is_no_party():
    assert party_rows({"grand_total": "1.00"}) == ()


INVOICE = {
    "seller_name": "ACME Ltd.",
    "seller_tax_id": "GB 123",
    "invoice_number": "RE-17",
    "issue_date": "2024-03-05",
    "grand_total": "119.00",
}


def keys(values: dict[str, Any], picture_hash: int | None = None) -> set[tuple[str, str]]:
    return {(row["kind"], row["key"]) for row in duplicate_keys(values, picture_hash)}


def test_likeness_is_by_number_amount_and_looks():
    assert keys(INVOICE, 5) == {
        ("number", "acmeltd re17"),
        ("number", "gb123 re17"),
        ("amount", "acmeltd 119 2024-03-05"),
        ("amount", "gb123 119 2024-03-05"),
        ("picture", "119 2024-03-05"),
    }


def test_spelling_does_not_hide_a_likeness():
    other = {**INVOICE, "seller_name": "Acme LTD", "invoice_number": "re 17", "grand_total": "119.0"}

    assert keys(other) == keys(INVOICE)


@pytest.mark.parametrize("missing", ["grand_total", "issue_date"])
def test_without_amount_or_date_only_number_and_looks_count(missing):
    kinds = {kind for kind, _ in keys({**INVOICE, missing: None}, 5)}

    assert kinds == {"number", "picture"}


def test_without_a_seller_only_looks_count():
    assert keys({"invoice_number": "1", "grand_total": "2", "issue_date": "2024-01-01"}, 0) == {
        ("picture", "2 2024-01-01")
    }
    assert keys({}, 0) == {("picture", "no total no date")}
    assert keys({}) == set()


@given(
    st.dictionaries(
        st.sampled_from([*INVOICE, "line_items", "total", "date", "tax_total"]),
        st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())),
    )
)
def test_whatever_stands_in_a_record_gives_rows_that_fit(values):
    assert all(len(row["key"]) <= 700 for row in duplicate_keys(values, 1))
    assert all(len(row["name"] or "") <= 300 for row in party_rows(values))
    tax_rows(values)
