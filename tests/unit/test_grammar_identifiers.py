from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.grammar.identifiers import find_iban, find_identifiers, find_tax_id, iban_holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RE-20151008/504 von", "RE-20151008/504"),
        ("# BLR_WFLD2015", "BLR_WFLD2015"),
        ("CS00012431", "CS00012431"),
        ("47110818", "47110818"),
        ("V001-515592", "V001-515592"),
        ("2024.0042", "2024.0042"),
    ],
)
def test_document_number_is_taken_whole(text: str, expected: str) -> None:
    assert find_identifiers(text)[0].text == expected


def test_words_without_a_digit_are_no_numbers() -> None:
    assert find_identifiers("Invoice number") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("IBAN: GB29NWBK60161331926819 BIC NWBKGB2L", "GB29NWBK60161331926819"),
        ("FR14 2004 1010 0505 0001 3M02 606", "FR1420041010050500013M02606"),
        ("CH93 0076 2011 6238 5295 7", "CH9300762011623852957"),
    ],
)
def test_iban_is_found_without_its_blanks(text: str, expected: str) -> None:
    found = find_iban(text)

    assert found is not None
    assert found.text == expected
    assert found.raw.replace(" ", "") == expected


def test_iban_with_a_wrong_digit_is_not_returned() -> None:
    assert find_iban("IBAN DE89 3704 0044 0532 0130 01") is None
    assert iban_holds("DE89370400440532013000")
    assert not iban_holds("DE8937040044053201300")
    assert not iban_holds("")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("USt-IdNr.:DE 123 456 789", "DE123456789"),
        ("VAT-ID: ATU12345678", "ATU12345678"),
        ("TVA FR32123456789", "FR32123456789"),
        ("BTW NL123456789B01", "NL123456789B01"),
        ("CHE-123.456.789 MWST", "CHE123456789MWST"),
    ],
)
def test_vat_number_of_a_known_shape_needs_no_label(text: str, expected: str) -> None:
    found = find_tax_id(text)

    assert found is not None
    assert found.text == expected


def test_plain_digits_are_a_tax_id_only_beside_a_label() -> None:
    assert find_tax_id("000306020352") is None
    found = find_tax_id("000306020352", labelled=True)
    assert found is not None
    assert found.text == "000306020352"
    german = find_tax_id("201/113/40209", labelled=True)
    assert german is not None
    assert german.text == "201/113/40209"


@given(st.text(max_size=80))
def test_no_text_breaks_the_grammar(text: str) -> None:
    find_iban(text)
    find_tax_id(text, labelled=True)
    assert all(any(c.isdigit() for c in found.text) for found in find_identifiers(text))
