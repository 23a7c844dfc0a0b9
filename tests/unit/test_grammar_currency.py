from __future__ import annotations

import pytest

from ocr_ops.grammar.currency import currency_of, guess_currency


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("RM 12.50", "MYR"),
        ("12,50 €", "EUR"),
        ("EUR 12,50", "EUR"),
        ("£9.99", "GBP"),
        ("₹319", "INR"),
        ("Rs. 319.00", "INR"),
        ("US$ 4.11", "USD"),
        ("S$3.20", "SGD"),
        ("CHF 12.50", "CHF"),
        ("100.00元", "CNY"),
        ("Währung: USD", "USD"),
        ("12,50 EUROS", "EUR"),
        ("RİNGGIT 12.50", "MYR"),
        ("12.50 rınggit", "MYR"),
        ("XUSD 12.50", None),
        ("USDX 12.50", None),
        ("FARM 12.50", None),
        ("12.50", None),
    ],
)
def test_currency_named_by_code_or_symbol(text: str, code: str | None) -> None:
    assert currency_of(text) == code


def test_country_words_speak_only_where_no_symbol_does() -> None:
    assert guess_currency(["Kedai Contoh Sdn Bhd", "Jalan Contoh 1", "12.50"]) == "MYR"
    assert guess_currency(["Muster GmbH", "MwSt 19%", "12,50"]) == "EUR"
    assert guess_currency(["Example Inc.", "$12.50"]) == "USD"
    assert guess_currency(["MALAYSİA", "12.50"]) == "MYR"
    assert guess_currency(["Mini Princess", "12.50"]) is None
    assert guess_currency(["Muster GmbH", "USD 12.50", "USD 14.00"]) == "USD"
    assert guess_currency(["12.50"]) is None
    assert guess_currency([]) is None
