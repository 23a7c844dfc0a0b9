"""An outcome becomes rows that Postgres takes, whatever a document or a model put into it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.model import (
    Block,
    Evidence,
    GridBox,
    Kind,
    Match,
    Problem,
    ProblemKind,
    RawPage,
    ReplyFormat,
    Stage,
    Status,
)
from ocr_ops.rows import Cell, Extras, document_key, kind_of_role, rows_of, storable, typed, uri_key
from ocr_ops.tables import metadata
from ocr_ops.warehouse.loading import SHAPES
from outcome_builder import INVOICE, digest, outcome, page, receipt, record, unreadable


def rows(made: Any, extras: Extras | None = None) -> Any:
    return rows_of(made, SHAPES, extras)


def invoice_with(**values: Any) -> Any:
    return outcome(record=record({**INVOICE, **values}))


def test_a_document_is_keyed_by_its_bytes():
    assert document_key(outcome()) == digest("file a.pdf")


def test_a_file_that_cannot_be_read_is_keyed_by_its_place():
    expected = "uri:" + hashlib.sha256(b"file:///in/x.pdf").hexdigest()

    assert expected == document_key(unreadable()) == uri_key("file:///in/x.pdf")


def test_a_duplicate_is_keyed_by_its_place_so_that_the_first_copy_stays():
    copy = unreadable("copy.pdf", ProblemKind.DUPLICATE, digest=digest("file a.pdf"))

    assert document_key(copy) == uri_key("file:///in/copy.pdf")
    assert rows(copy).document["digest"] == digest("file a.pdf")


def test_typed_values_are_decimals_and_dates():
    header = rows(outcome()).children["extraction.invoices"][0]

    assert (header["grand_total"], header["issue_date"]) == (Decimal("119.00"), date(2024, 3, 5))
    assert str(header["grand_total"]) == "119.00"
    assert header["due_date"] is None


def test_receipts_have_a_time_of_day():
    assert rows(receipt()).children["extraction.receipts"][0]["time"] == time(13, 5)


def test_lines_are_numbered_as_printed():
    lines = rows(outcome()).children["extraction.invoice_lines"]

    assert [(1, "Bolts", Decimal("10")), (2, "Nuts", Decimal("12.5"))] == [
        (line["line_no"], line["description"], line["quantity"]) for line in lines
    ]


def test_every_row_fits_the_columns_of_its_table():
    made = rows(outcome(problems=(Problem(Stage.FIND, ProblemKind.HAS_ATTACHMENT, "One file inside."),)))

    for table, children in made.children.items():
        for row in children:
            assert set(row) <= set(metadata.tables[table].columns.keys()), table
    assert set(made.document) <= set(metadata.tables["ingest.documents"].columns.keys())


def test_an_unknown_document_type_keeps_its_record_and_fields():
    children = rows(outcome(record=record({"fare": "12.50"}, doc_type="taxi", evidence=()))).children

    assert children["extraction.records"][0]["values"] == {"fare": "12.50"}
    assert [row["field"] for row in children["extraction.fields"]] == ["/fare"]
    assert not [table for table in children if "invoice" in table or "receipt" in table]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grand_total", "1e5"),
        ("grand_total", "NaN"),
        ("grand_total", "1234567890123456"),
        ("grand_total", "0.1234567"),
        ("grand_total", "١٢"),
        ("grand_total", 119.0),
        ("issue_date", "2024-02-30"),
        ("currency", "€"),
        ("invoice_number", "9" * 81),
    ],
)
def test_a_value_that_fits_no_column_holds_the_document_back(field, value):
    made = rows(invoice_with(**{field: value}))

    assert made.status is Status.NEEDS_REVIEW
    assert made.children["extraction.records"][0]["status"] == "needs_review"
    assert made.children["extraction.invoices"][0][field] is None
    problem = made.children["extraction.problems"][0]
    assert (problem["stage"], problem["kind"], problem["field"]) == ("load", "schema", f"/{field}")


def test_a_misfit_in_a_line_names_the_line():
    made = rows(invoice_with(line_items=[{"description": "ok"}, {"quantity": "a few"}]))

    assert made.children["extraction.problems"][0]["field"] == "/line_items/1/quantity"


def test_a_misfit_does_not_free_a_quarantined_document():
    made = rows(replace(invoice_with(currency="??"), status=Status.QUARANTINED))

    assert made.status is Status.QUARANTINED


def test_fields_hold_value_match_page_and_print():
    fields = {row["field"]: row for row in rows(outcome()).children["extraction.fields"]}

    total = fields["/grand_total"]
    assert tuple(total[k] for k in ("value", "match", "page", "raw")) == (
        "119.00",
        "normalised",
        1,
        "119,00 EUR",
    )
    assert fields["/line_items/1/description"]["value"] == "Nuts"
    assert fields["/currency"]["match"] is None


def test_a_field_looked_for_and_missing_has_a_row_without_a_value():
    found = Evidence("/due_date", Match.NOT_FOUND)
    fields = {
        r["field"]: r for r in rows(outcome(record=record(evidence=(found,)))).children["extraction.fields"]
    }

    assert (fields["/due_date"]["value"], fields["/due_date"]["match"]) == (None, "not_found")


def test_boxes_are_on_the_grid_and_in_pixels_of_the_picture():
    boxes = {row["field"]: row for row in rows(outcome()).children["extraction.field_boxes"]}

    number = boxes["/invoice_number"]
    assert [Decimal("99.90"), Decimal("49.95"), Decimal("199.80"), Decimal("99.90")] == number["box_grid"]
    assert number["box_px"] == [100, 100, 200, 200]
    assert number["score"] == Decimal("0.9876")
    assert boxes["/grand_total"]["score"] is None


def test_a_block_of_several_boxes_and_a_block_nobody_knows_both_have_rows():
    two = Block("p001.b009", "text", (GridBox(0, 0, 1, 1), GridBox(2, 2, 3, 3)), "spread")
    read = page()
    found = Evidence("/seller_name", Match.FUZZY, 1, ("p001.b009", "p001.b404"))
    made = outcome(pages=(replace(read, blocks=(*read.blocks, two)),), record=record(evidence=(found,)))

    boxes = rows(made).children["extraction.field_boxes"]
    assert [box["position"] for box in boxes] == [1, 2, 3]
    assert (boxes[2]["block_id"], boxes[2]["page"], boxes[2]["box_px"]) == ("p001.b404", 1, None)


def test_problems_of_document_pages_and_record_are_listed_once_each():
    twice = Problem(Stage.READ, ProblemKind.CUT_OFF, "The reading of page 2 broke off.", page=2)
    unsure = Problem(Stage.VALIDATE, ProblemKind.NOT_ON_PAGE, "No date was found.", field="/issue_date")
    stray = Problem(Stage.READ, ProblemKind.STRAY_TEXT, "Some text had no place.")
    pages = (replace(page(), problems=(stray,)), replace(page(2), problems=(twice,)))
    made = outcome(pages=pages, problems=(twice,), record=record(problems=(unsure,)))

    found = rows(made).children["extraction.problems"]
    assert [(p["kind"], p["page"]) for p in found] == [
        ("cut_off", 2),
        ("stray_text", 1),
        ("not_on_page", None),
    ]


def test_pages_name_the_engine_when_the_reading_is_given():
    raw = RawPage(1, "embedded", "PP-OCRv6", "3.10.0", ReplyFormat.LINES, "[]")

    with_engine = rows(outcome(), Extras(raw_pages={digest("raw 1"): raw})).children["ingest.pages"][0]
    without = rows(outcome()).children["ingest.pages"][0]

    assert tuple(with_engine[k] for k in ("engine", "engine_version", "model")) == (
        "embedded",
        "3.10.0",
        "PP-OCRv6",
    )
    assert without["engine"] is None
    assert (with_engine["width_px"], with_engine["height_px"], with_engine["blocks"]) == (1000, 2000, 2)


def test_links_carry_role_and_page_and_artifacts_their_kind():
    made = rows(outcome(), Extras(sizes={digest("picture 1"): 777}))

    assert {("page/1/picture", 1), ("page/1/raw/1", 1), ("source", None)} <= {
        (link["role"], link["page"]) for link in made.links
    }
    artifacts = {row["kind"]: row for row in made.artifacts}
    assert artifacts["page/picture"]["media_type"] == "image/png"
    assert (artifacts["page/picture"]["size_bytes"], artifacts["source"]["size_bytes"]) == (777, 12_345)
    assert artifacts["manifest"]["media_type"] == "application/json"
    assert made.manifest == digest("manifest a.pdf")
    assert sorted(row["digest"] for row in made.artifacts) == [row["digest"] for row in made.artifacts]


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("page/12/raw/3", "page/raw"),
        ("llm/attempt/1", "llm/attempt"),
        ("candidate/layout", "candidate/layout"),
    ],
)
def test_a_kind_is_a_role_without_numbers(role, kind):
    assert kind_of_role(role) == kind


def test_the_content_digest_ignores_place_time_and_what_was_kept():
    moved = replace(outcome(), uri="file:///elsewhere/b.pdf", name="b.pdf", timings={}, artifacts={})

    assert rows(outcome()).content_digest == rows(moved).content_digest


@pytest.mark.parametrize(
    "changed",
    [
        outcome(status=Status.NEEDS_REVIEW),
        outcome(record=record({**INVOICE, "grand_total": "119.01"})),
        outcome(problems=(Problem(Stage.OPEN, ProblemKind.HIDDEN_TEXT, "Text nobody can see."),)),
        outcome(pages=(page(), page(2))),
        outcome(record=record(rules=())),
    ],
)
def test_the_content_digest_notices_a_change(changed):
    assert rows(outcome()).content_digest != rows(changed).content_digest


def test_text_that_postgres_refuses_is_made_storable():
    made = rows(replace(invoice_with(seller_name="A\x00B\ud800"), name="bad\udcff.pdf"))

    assert made.children["extraction.invoices"][0]["seller_name"] == "A\N{REPLACEMENT CHARACTER}B\\ud800"
    assert made.document["name"] == "bad\\udcff.pdf"
    assert "\x00" not in made.children["extraction.records"][0]["values"]["seller_name"]


@given(st.text(alphabet=st.characters()))
def test_storable_text_is_utf_8_without_nul(words):
    kept = storable(words)

    assert "\x00" not in kept
    assert kept == kept.encode().decode()


@given(st.text(), st.sampled_from(Kind))
def test_typing_a_text_gives_a_value_or_says_why_not(words, kind):
    try:
        value = typed(words, Cell(kind, 40))
    except ValueError as reason:
        assert str(reason)
    else:
        assert isinstance(value, Decimal | date | time | str)
