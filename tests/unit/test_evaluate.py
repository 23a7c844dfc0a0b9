"""Scoring: what is right, what is counted, and what a report says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders import candidate, page_of
from ocr_ops.audit import AuditStore
from ocr_ops.evaluate.chart import curve_svg
from ocr_ops.evaluate.compare import DEFINITION, matched_items, same
from ocr_ops.evaluate.dataset import Case, DatasetError, TrueBoxes, read_boxes, read_dataset
from ocr_ops.evaluate.figures import figures_by_source, figures_of, risk_coverage, wilson
from ocr_ops.evaluate.report import Prices, Report, write_json, write_markdown
from ocr_ops.evaluate.report_page import page_html
from ocr_ops.evaluate.run import Evaluated
from ocr_ops.evaluate.score import DocumentScore, FieldScore, score_fields, score_lines
from ocr_ops.judge.decide import judge
from ocr_ops.model import Block, Digest, GridBox, Kind, Status
from ocr_ops.pipeline.journey import Journey
from ocr_ops.schemas import load_schema

RECEIPT = load_schema("receipt")
SHOP = page_of(
    "ALPHA BOOKS LTD", "Date: 14/03/2025 18:05", "Subtotal | 33.50", "VAT 20% | 6.70", "TOTAL | 40.20"
)
VALUES = {
    "merchant_name": "ALPHA BOOKS LTD",
    "date": "2025-03-14",
    "subtotal": "33.50",
    "tax_total": "6.70",
    "total": "40.20",
}


def case(**truth: str) -> Case:
    return Case("a", "shop", Path("a.jpg"), "receipt", truth)


def document(
    name: str, *fields: FieldScore, status: Status = Status.ACCEPTED, **more: object
) -> DocumentScore:
    return replace(DocumentScore(name, "shop", "receipt", "receipt", status, fields, pages=1), **more)


def total(value: str | None, probability: float = 0.9) -> FieldScore:
    return FieldScore("total", "1.00", value, value == "1.00", True, probability)


@pytest.mark.parametrize(
    ("kind", "truth", "value", "right"),
    [
        (Kind.MONEY, "12.50", "12.5", True),
        (Kind.MONEY, "12.50", "12.51", False),
        (Kind.MONEY, "12.50", "twelve", False),
        (Kind.DATE, "2025-03-14", "2025-03-14", True),
        (Kind.DATE, "2025-03-14", "14.03.2025", False),
        (Kind.TEXT, "Café & Co.", "CAFÉ CO", True),
        (Kind.TEXT, "Café", "Cafe", False),
        (Kind.TEXT, "aldi", None, False),
    ],
)
def test_a_value_is_right_as_the_definition_says(kind: Kind, truth: str, value: str | None, right: bool):
    assert same(kind, truth, value) is right


def test_a_short_key_need_only_be_contained():
    assert same(Kind.TEXT, "lidl", "LIDL Vertriebs GmbH", contains=True)
    assert not same(Kind.TEXT, "lidl", "ALDI", contains=True)


def test_line_items_match_in_any_order_and_only_whole():
    kinds = {"description": Kind.TEXT, "line_total": Kind.MONEY}
    truth = [{"description": "Pen", "line_total": "1.50"}, {"description": "Ink", "line_total": "4.00"}]

    assert matched_items(kinds, truth, [{"description": "INK", "line_total": "4"}, truth[0]]) == 2
    assert matched_items(kinds, truth, [{"description": "Ink", "line_total": "4.10"}, truth[0]]) == 1
    assert matched_items(kinds, [truth[0], truth[0]], [truth[0]]) == 1


def test_a_dataset_leaves_out_what_was_not_labelled_or_not_printed(tmp_path: Path):
    entry = {
        "file": "x.pdf",
        "doc_type": "invoice",
        "truth": {
            "issue_date": None,
            "due_date": "2025-01-01",
            "date_raw": "1.1.",
            "net_total": "1.00",
            "line_items": [{"description": "Pen", "line_total": "1.00"}],
        },
        "not_printed": ["due_date(only in the XML)", "line_items.description(some)"],
    }
    (tmp_path / "d.jsonl").write_text(json.dumps(entry) + "\n")

    (read,) = read_dataset(tmp_path / "d.jsonl")

    assert read.truth == {"net_total": "1.00"}
    assert read.line_items == ({"line_total": "1.00"},)
    assert tmp_path / "x.pdf" == read.path


@pytest.mark.parametrize("text", ["", "{", '{"file": "a.jpg"}', "[]"])
def test_a_dataset_that_cannot_be_used_says_so(tmp_path: Path, text: str):
    (tmp_path / "d.jsonl").write_text(text)

    with pytest.raises(DatasetError):
        read_dataset(tmp_path / "d.jsonl")


def test_boxes_are_read_as_words_and_as_fields(tmp_path: Path):
    boxes = {"width": 999, "height": 999, "boxes": [{"box": [0, 0, 9, 9], "text": "1.00", "field": "/total"}]}
    (tmp_path / "a.boxes.json").write_text(json.dumps(boxes))

    read = read_boxes(replace(case(), boxes_file=tmp_path / "a.boxes.json"))

    assert read == TrueBoxes(
        (Block("t0", "text", (GridBox(0, 0, 9, 9),), "1.00"),), {"/total": (GridBox(0, 0, 9, 9),)}
    )


def test_fields_are_scored_with_the_place_of_their_evidence():
    record = judge(RECEIPT, [candidate(**VALUES)], [SHOP])
    here, elsewhere = SHOP.blocks[7].boxes, (GridBox(0, 900, 50, 950),)

    right = score_fields(
        case(total="40.20", date="2025-03-15"), RECEIPT, record, [SHOP], TrueBoxes((), {"/total": here})
    )
    misplaced = score_fields(
        case(total="40.20"), RECEIPT, record, [SHOP], TrueBoxes((), {"/total": elsewhere})
    )

    assert [(f.name, f.right, f.well_placed) for f in right] == [("total", True, True), ("date", False, None)]
    assert right[1].wrong
    assert misplaced[0].well_placed is False


def test_a_missing_value_is_not_right_but_not_wrong_either():
    (score,) = score_fields(case(total="40.20"), RECEIPT, None)

    assert not score.right
    assert not score.wrong


def test_line_scores_count_found_rows_that_are_not_on_paper():
    record = replace(
        judge(RECEIPT, [candidate(**VALUES)], [SHOP]),
        values={"line_items": [{"line_total": "33.50"}, {"line_total": "6.70"}]},
    )
    labelled = replace(case(), line_items=({"line_total": "33.50", "description": "Atlas"},))

    lines = score_lines(labelled, RECEIPT, record)

    assert lines is not None
    assert (lines.right, lines.totals_right, lines.true, lines.found) == (0, 1, 1, 2)


def test_wilson_interval_of_none_in_ninety_three():
    rate = wilson(0, 93)

    assert (rate.rate, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(0.0397, abs=1e-4)
    assert wilson(3, 93).low == pytest.approx(0.0110, abs=1e-4)
    assert wilson(3, 93).high == pytest.approx(0.0906, abs=1e-4)
    assert wilson(0, 0).rate is None


def test_only_wrong_values_of_accepted_documents_are_false_accepts():
    scores = [
        document("a", total("1.00")),
        document("b", total("2.00")),
        document("c", total("2.00"), status=Status.NEEDS_REVIEW),
        document("d", total(None)),
    ]

    figures = figures_of("shop", scores)

    assert (figures.false_accepts.hits, figures.false_accepts.of) == (1, 3)
    assert (figures.held.hits, figures.held.of) == (1, 4)
    assert (figures.whole.hits, figures.whole.of) == (1, 4)
    assert figures.fields["total"].wrong == 2


def test_wrong_values_are_counted_among_the_critical_values_that_accepted_documents_give():
    scores = [
        document("a", total("1.00")),
        document("b", total("2.00")),
        document("c", total("2.00"), status=Status.NEEDS_REVIEW),
        document("d", total(None)),
        document("e", total("1.00"), judged_type="invoice"),
    ]

    figures = figures_of("shop", scores)

    assert (figures.false_values.hits, figures.false_values.of) == (2, 4)
    assert (figures.other_type.hits, figures.other_type.of) == (1, 5)


def test_a_document_accepted_as_another_type_is_a_false_accept():
    taken = document("a", total("1.00"), judged_type="invoice")

    assert figures_of("shop", [taken]).false_accepts.hits == 1


def test_the_curve_takes_accepted_documents_before_held_ones_and_sure_ones_before_unsure():
    scores = [
        document("held", total("1.00", 1.0), status=Status.NEEDS_REVIEW),
        document("unsure", total("9.00", 0.6)),
        document("sure", total("1.00", 0.9)),
    ]

    assert [point.wrong for point in risk_coverage(scores)] == [0, 1, 1]
    assert [0, 0.5, pytest.approx(1 / 3)] == [point.risk for point in risk_coverage(scores)]


def test_sources_are_reported_apart_and_together():
    scores = [document("a", total("1.00")), document("b", total("1.00"), source="other")]

    assert [part.source for part in figures_by_source(scores)] == ["shop", "other", "all"]


def hostile_report() -> tuple[Report, Evaluated]:
    field = FieldScore("total", "<b>1</b>", "</td><script>alert(1)</script>", False, True, 0.4)
    score = document("<img src=x>", field)
    parts = figures_by_source((score,))
    made = Report({"datasets": "<i>d</i>"}, 1.0, parts, (score,), Prices(machine_hour=1.0))
    return made, Evaluated(case(total="1"), Journey("file:///a", "a"), (), None, score)


def test_text_of_documents_is_escaped_in_the_page():
    report, wrong = hostile_report()

    page = page_html(report, [wrong], lambda digest: b"")

    assert "<script>" not in page
    assert "<img src=x>" not in page
    assert "<i>d" not in page
    assert "accepted with a wrong critical value" in page


def test_the_page_shows_the_place_a_wrong_value_was_read_from(tmp_path: Path):
    from PIL import Image

    store = AuditStore(tmp_path)
    Image.new("RGB", (800, 1600), "white").save(tmp_path / "p.png")
    digest: Digest = store.put((tmp_path / "p.png").read_bytes())
    page = replace(SHOP, image=replace(SHOP.image, digest=digest))
    record = judge(RECEIPT, [candidate(**VALUES)], [page])
    score = document("a", *score_fields(case(total="40.00"), RECEIPT, record, [page]))
    report = Report({}, 1.0, figures_by_source((score,)), (score,))

    html = page_html(report, [Evaluated(case(), Journey("u", "a"), (page,), record, score)], store.get)

    assert html.count("data:image/jpeg;base64,") == 1
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


def test_the_report_says_what_right_means_and_puts_false_accepts_first():
    report, _ = hostile_report()

    text = write_markdown(report)

    assert DEFINITION in text
    assert text.count("**100.0% (1 of 1; 20.7% – 100.0%)**") == 2
    assert "wrong values among accepted critical ones" in text
    assert "taken for another type: 0.0% (0 of 1" in text
    assert "script" not in text
    assert json.loads(json.dumps(write_json(report)))["documents"][0]["wrong_critical"] == ["total"]


def test_a_page_is_priced_by_seconds_and_tokens():
    scores = [document("a", total("1.00"), read_s=30.0, other_s=6.0, tokens=(1000, 100))]

    assert Prices(1.0, 2.0, 10.0).page(figures_of("shop", scores)) == pytest.approx(0.01 + 0.002 + 0.001)
    assert Prices().page(figures_of("shop", scores)) is None


def test_the_curve_is_drawn_within_its_frame():
    svg = curve_svg(figures_by_source([document("a", total("9.00")), document("b<", total("1.00"))]))

    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert "<polyline" in svg and "<circle" in svg
