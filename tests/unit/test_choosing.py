"""Which reading goes first: a correction by the language model has to be asked for by the document itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import candidate, candidate_of, page_of
from ocr_ops.judge.calibration import SIGNS, Calibration, Weights
from ocr_ops.judge.decide import judge
from ocr_ops.model import Candidate, ReadPage, Status
from ocr_ops.schemas import load_calibration, load_schema

RECEIPT = load_schema("receipt")
SHOP = page_of(
    "ALPHA BOOKS LTD",
    "trading as Beta",
    "12 Mill Road, Leeds",
    "Date: 14/03/2025 18:05",
    "Atlas | 2 | 12.50 | 25.00",
    "Pen | 1 | 8.50 | 8.50",
    "Subtotal | 33.50",
    "VAT 20% | 6.70",
    "TOTAL | 40.20",
    "CASH | 50.00",
    "CHANGE | 9.80",
)
RIGHT = {
    "merchant_name": "ALPHA BOOKS LTD",
    "merchant_address": "12 Mill Road, Leeds",
    "date": "2025-03-14",
    "subtotal": "33.50",
    "tax_total": "6.70",
    "total": "40.20",
}
LINES = {
    "/line_items/0/description": "Atlas",
    "/line_items/0/line_total": "25.00",
    "/line_items/1/description": "Pen",
    "/line_items/1/line_total": "8.50",
}


def judged(*candidates: Candidate, page: ReadPage = SHOP) -> dict[str, object]:
    return judge(RECEIPT, candidates, [page]).values


def model(**values: str) -> Candidate:
    """What a language model answers: it says neither where it looked nor how sure it is."""
    return candidate("llm", 0.0, **values)


@pytest.mark.parametrize(
    ("field", "weaker"),
    [
        ("merchant_name", "trading as Beta"),
        ("merchant_address", "Leeds"),
        ("total", "50.00"),
        ("subtotal", "25.00"),
        ("tax_total", "8.50"),
    ],
)
def test_a_sure_value_is_not_lost_to_another_that_nothing_on_the_page_prefers(
    field: str, weaker: str
) -> None:
    assert judged(candidate(**RIGHT), model(**RIGHT | {field: weaker}))[field] == RIGHT[field]


@pytest.mark.parametrize(
    ("field", "wrong"), [("total", "50.00"), ("subtotal", "25.00"), ("tax_total", "9.80")]
)
def test_a_correction_with_which_the_sums_hold_goes_first(field: str, wrong: str) -> None:
    assert judged(candidate(**RIGHT | {field: wrong}), model(**RIGHT))[field] == RIGHT[field]


@pytest.mark.parametrize(("score", "merchant"), [(0.0, "ALPHA BOOKS LTD"), (0.6, "trading as Beta")])
def test_a_correction_goes_first_where_the_other_value_is_more_likely_wrong_than_right(
    score: float, merchant: str
) -> None:
    guessed = candidate(score=score, merchant_name="trading as Beta")

    by_label = Weights(-1.0, tuple(2.0 * (sign == "label") for sign in SIGNS))
    calibration = Calibration(1, SIGNS, {"text": by_label}, {})

    record = judge(RECEIPT, (guessed, model(merchant_name="ALPHA BOOKS LTD")), [SHOP], calibration)

    assert record.values["merchant_name"] == merchant


def test_words_copied_with_the_damage_of_the_page_do_not_replace_words_that_were_put_right() -> None:
    page = page_of("28-05", "SUPER SEVEN CASH & CARRY SBN 3HD", "14/03/2025", "TOTAL | 40.20", score=0.9)
    right = candidate(score=0.4, merchant_name="SUPER SEVEN CASH & CARRY SDN BHD")
    copied = model(merchant_name="SUPER SEVEN CASH & CARRY SBN 3HD")

    record = judge(RECEIPT, (right, copied), [page], load_calibration())

    assert record.values["merchant_name"] == "SUPER SEVEN CASH & CARRY SDN BHD"


def test_what_the_other_reader_missed_is_filled_in_from_the_page_only() -> None:
    values = judged(candidate(**RIGHT), model(time="18:05", receipt_number="4711"))

    assert values["time"] == "18:05" and "receipt_number" not in values


ONCE = page_of("ALPHA BOOKS LTD", "14/03/2025", "TOTAL | 40.20", "Discount | 0.00")
SEEN = {"merchant_name": "ALPHA BOOKS LTD", "date": "2025-03-14", "total": "40.20"}


def test_a_total_repeated_as_its_own_subtotal_confirms_nothing() -> None:
    repeated = model(subtotal="40.20", tax_total="0.00")

    record = judge(RECEIPT, (candidate(**SEEN), repeated), [ONCE])

    assert "subtotal" not in record.values and record.status is Status.NEEDS_REVIEW


def test_a_total_repeated_as_its_only_line_confirms_nothing() -> None:
    line = {"/line_items/0/description": "TOTAL", "/line_items/0/line_total": "40.20"}

    record = judge(RECEIPT, (candidate(**SEEN), candidate_of("llm", line, 0.0)), [ONCE])

    assert record.values["line_items"] == [{"description": "TOTAL"}]
    assert record.status is Status.NEEDS_REVIEW


def test_an_amount_that_is_printed_twice_may_fill_two_fields() -> None:
    page = page_of("ALPHA BOOKS LTD", "14/03/2025", "Sum | 40.20", "VAT | 0.00", "TOTAL | 40.20")

    record = judge(RECEIPT, (candidate(**SEEN), model(subtotal="40.20", tax_total="0.00")), [page])

    assert record.values["subtotal"] == "40.20" and record.status is Status.ACCEPTED


def test_readers_that_disagree_about_a_critical_value_still_hold_the_document_where_no_sum_decides() -> None:
    page = page_of("ALPHA BOOKS LTD", "14/03/2025", "Order of 10/03/2025", "Atlas | 40.20", "TOTAL | 40.20")
    seen = {"merchant_name": "ALPHA BOOKS LTD", "date": "2025-03-14", "total": "40.20"}

    record = judge(RECEIPT, (candidate(**seen), model(**seen | {"date": "2025-03-10"})), [page])

    assert record.values["date"] == "2025-03-14" and record.status is Status.NEEDS_REVIEW


def test_rows_of_the_model_do_not_replace_rows_that_add_up_just_as_well() -> None:
    header = {f"/{name}": value for name, value in RIGHT.items()}
    more = LINES | {"/line_items/2/description": "CASH", "/line_items/2/line_total": "50.00"}

    values = judged(candidate_of("layout", header | LINES), candidate_of("llm", header | more, 0.0))

    assert values["line_items"] == [
        {"description": "Atlas", "line_total": "25.00"},
        {"description": "Pen", "line_total": "8.50"},
    ]


def test_rows_of_the_model_that_add_up_to_nothing_printed_are_not_filled_in() -> None:
    header = {f"/{name}": value for name, value in RIGHT.items()}
    wrong = {"/line_items/0/description": "Atlas", "/line_items/0/line_total": "12.50"}

    assert "line_items" not in judged(candidate_of("layout", header), candidate_of("llm", wrong, 0.0))
    assert judged(candidate_of("layout", header), candidate_of("llm", LINES, 0.0))["line_items"]


def test_rows_of_the_model_replace_rows_that_miss_one() -> None:
    header = {f"/{name}": value for name, value in RIGHT.items()}
    fewer = {path: value for path, value in LINES.items() if path.startswith("/line_items/0")}

    values = judged(candidate_of("layout", header | fewer), candidate_of("llm", header | LINES, 0.0))

    assert [row["description"] for row in values["line_items"]] == ["Atlas", "Pen"]


def test_rows_of_the_model_that_also_multiply_out_replace_bare_ones() -> None:
    header = {f"/{name}": value for name, value in RIGHT.items()}
    whole = LINES | {
        "/line_items/0/quantity": "2",
        "/line_items/0/unit_price": "12.50",
        "/line_items/1/quantity": "1",
        "/line_items/1/unit_price": "8.50",
    }

    values = judged(candidate_of("layout", header | LINES), candidate_of("llm", header | whole, 0.0))

    assert values["line_items"][0] == {
        "description": "Atlas",
        "quantity": "2",
        "unit_price": "12.50",
        "line_total": "25.00",
    }


def test_the_order_in_which_readers_come_does_not_make_a_correction_right() -> None:
    layout, answer = candidate(**RIGHT), model(**RIGHT | {"merchant_name": "trading as Beta"})

    assert judged(layout, answer) == judged(answer, layout)


def test_a_model_that_repeats_what_it_was_told_makes_nothing_more_probable() -> None:
    alone, repeated = (
        judge(RECEIPT, candidates, [SHOP], load_calibration())
        for candidates in ((candidate(**RIGHT),), (candidate(**RIGHT), model(**RIGHT)))
    )
    gained = {
        one.field
        for one, two in zip(alone.evidence, repeated.evidence, strict=True)
        if two.probability != one.probability
    }

    assert gained == {"/date", "/total"}


def test_an_e_invoice_goes_before_what_was_read() -> None:
    stated = replace(candidate(score=1.0, merchant_name="trading as Beta"), reader="einvoice")

    assert judged(candidate(**RIGHT), stated)["merchant_name"] == "trading as Beta"
