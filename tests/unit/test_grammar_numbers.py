from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.grammar.numbers import decimal_mark, find_amounts, parse_number


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u00a0234,56", "1234.56"),
        ("1\u202f234,56 €", "1234.56"),
        ("1'234.56", "1234.56"),
        ("1’234.50", "1234.50"),
        ("12.345.678,90", "12345678.90"),
        ("9.00", "9.00"),
        ("8,83", "8.83"),
        ("RM9.00", "9.00"),
        ("RM 1,056.05", "1056.05"),
        ("$4.11", "4.11"),
        ("€ 12,50", "12.50"),
        ("12,50 EUR", "12.50"),
        ("CHF 1'234.50", "1234.50"),
        ("¥100.00", "100.00"),
        ("100.00元", "100.00"),
        ("-0.01", "-0.01"),
        ("12,50-", "-12.50"),
        ("-RM0.01", "-0.01"),
        ("RM -0.01", "-0.01"),
        ("TOTAL(RM):28.40", "28.40"),
        ("0.0520", "0.0520"),
        ("10000,0000", "10000.0000"),
        (".02", "0.02"),
        ("007.50", "7.50"),
        ("5.-", "5"),
        ("3,- €", "3"),
    ],
)
def test_amount_is_read_as_it_was_printed(printed: str, expected: str) -> None:
    (amount,) = find_amounts(printed)

    assert amount.text == expected
    assert amount.value == Decimal(expected)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("12 .50", "12.50"),
        ("12. 50", "12.50"),
        ("1O.5O", "10.50"),
        ("O.95", "0.95"),
        ("l2.50", "12.50"),
        ("0,35C", "0.35"),
        ("6.00SR", "6.00"),
        ("51.608R", "51.60"),
        ("RH12.37", "12.37"),
        ("0.25×C", "0.25"),
        ("−3.50", "-3.50"),
    ],
)
def test_damage_inside_a_clear_number_is_undone(printed: str, expected: str) -> None:
    assert find_amounts(printed)[0].text == expected


@pytest.mark.parametrize("word", ["OIL", "SOLO", "Il", "lO.B", "O.K", "no.", "B.O.L"])
def test_letters_outside_numbers_stay_letters(word: str) -> None:
    assert find_amounts(word) == ()


@pytest.mark.parametrize(
    "text",
    [
        "25/12/2018",
        "25.12.2018",
        "2018-12-25",
        "13:54:00",
        "V001-5155",
        "012-3456789",
        "A4",
        "x64",
        "1/2",
        "06/04/17",
    ],
)
def test_dates_times_phones_and_codes_are_not_amounts(text: str) -> None:
    assert not [a for a in find_amounts(text) if a.looks_like_money]


@pytest.mark.parametrize(
    ("printed", "mark", "expected"),
    [
        ("1.234", ",", "1234"),
        ("1.234", ".", "1.234"),
        ("1,234", ".", "1234"),
        ("1,234", ",", "1.234"),
        ("0,186", ".", "0.186"),
        ("1.234.567", ".", "1234567"),
    ],
)
def test_three_digits_after_a_mark_follow_the_documents_mark(printed: str, mark: str, expected: str) -> None:
    (amount,) = find_amounts(printed, "," if mark == "," else ".")

    assert amount.text == expected


def test_document_decides_its_mark_by_vote() -> None:
    assert decimal_mark(["1,79 A", "0,99", "8.83", "12,50"]) == ","
    assert decimal_mark(["1,056.05", "12.50"]) == "."
    assert decimal_mark(["no numbers", "25.12.2018"]) == "."


def test_per_cent_is_marked_and_is_not_money() -> None:
    rate, amount = find_amounts("19,0% 71,51")

    assert (rate.percent, rate.looks_like_money) == (True, False)
    assert (amount.percent, amount.text) == (False, "71.51")


def test_count_and_price_of_one_line_are_both_found() -> None:
    assert [a.text for a in find_amounts("2 x 1,49", ",")] == ["2", "1.49"]


def test_currency_beside_the_number_is_kept() -> None:
    assert [a.currency for a in find_amounts("RM9.00 and 12,50 €")] == ["RM", "€"]


def test_whole_text_is_a_number_or_nothing() -> None:
    assert parse_number("RM 9.00") == Decimal("9.00")
    assert parse_number(" = 12,50") == Decimal("12.50")
    assert parse_number("9.00 each") is None
    assert parse_number("1.00 2.00") is None
    assert parse_number("") is None


@given(st.text(max_size=80))
def test_no_text_breaks_the_grammar(text: str) -> None:
    for amount in find_amounts(text):
        assert Decimal(amount.text) == amount.value


@given(st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False))
def test_every_amount_comes_back_from_english_and_german_print(value: Decimal) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))

    assert find_amounts(english, ".")[0].value == value
    assert find_amounts(german, ",")[0].value == value
