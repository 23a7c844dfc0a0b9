"""A rule that fails asks for a second look at its numbers; what that shows puts a value right only where the sums agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from builders import candidate, candidate_of, page_of
from ocr_ops.engines.lines import read_sizes
from ocr_ops.geometry import to_pixels
from ocr_ops.judge import witness
from ocr_ops.judge.calibration import SIGNS
from ocr_ops.judge.decide import judge
from ocr_ops.judge.evidence import paper_of
from ocr_ops.judge.second_look import failing_claims, looked_again
from ocr_ops.judge.witness import Claim
from ocr_ops.model import Match, PixelSize, ProblemKind, ReadPage, Record, Status
from ocr_ops.schemas import load_schema

RECEIPT = load_schema("receipt")
RIGHT = ("ALPHA BOOKS LTD", "Date: 14/03/2025", "Subtotal | 33.50", "VAT 20% | 6.70", "TOTAL | 40.20")
MISREAD = (*RIGHT[:-1], "TOTAL | 46.20")
VALUES = {
    "merchant_name": "ALPHA BOOKS LTD",
    "date": "2025-03-14",
    "subtotal": "33.50",
    "tax_total": "6.70",
    "total": "46.20",
}


def claims(page: ReadPage, exact: tuple[int, ...] = (), **values: str) -> dict[str, Claim]:
    proposed = [candidate(**(VALUES | values))]
    return {one.field: one for one in failing_claims(RECEIPT, proposed, [page], paper_of([page]), exact)}


def look(page: ReadPage, field: str, *reads: str) -> witness.Testimony:
    return looked_again(claims(page)[field], reads, paper_of([page]))


def judged(page: ReadPage, *looks: witness.Testimony) -> Record:
    return judge(RECEIPT, [candidate(**VALUES)], [page], looks=looks)


@pytest.mark.parametrize("score", [0.99, None])
def test_every_number_of_a_failing_rule_is_looked_at_again_whatever_engine_read_it(score: float | None):
    found = claims(page_of(*MISREAD, score=score))

    assert set(found) == {"/subtotal", "/tax_total", "/total"}
    assert all(one.again and one.of_rule for one in found.values())


def test_nothing_is_looked_at_where_all_rules_hold_or_the_text_is_the_files_own():
    assert claims(page_of(*RIGHT), total="40.20") == {}
    assert claims(page_of(*MISREAD), exact=(1,)) == {}


def test_what_another_rule_confirms_is_not_looked_at():
    page = page_of(*RIGHT[:2], "Atlas | 25.00", "Pen | 8.00", *RIGHT[2:])
    rows = {"/line_items/0/line_total": "25.00", "/line_items/1/line_total": "8.00"}
    proposed = candidate_of(
        "layout", {f"/{name}": value for name, value in (VALUES | {"total": "40.20"}).items()} | rows
    )

    found = failing_claims(RECEIPT, [proposed], [page], paper_of([page]), ())

    assert {one.field for one in found} == set(rows)


def test_a_value_that_both_looks_read_otherwise_is_put_right_when_the_sum_then_holds():
    page = page_of(*MISREAD)

    record = judged(page, look(page, "/total", "40.20", "40,20"))

    (evidence,) = [one for one in record.evidence if one.field == "/total"]
    assert record.status is Status.ACCEPTED
    assert record.values["total"] == "40.20"
    assert (evidence.match, evidence.blocks, evidence.raw) == (Match.NORMALISED, ("p001.b008",), "40.20")


@pytest.mark.parametrize(
    "reads",
    [("40.20", "46.20"), ("40.20", "48.20"), ("48.20", "48.20"), ("40.20 46.20", "40.20 46.20"), ("", "")],
)
def test_anything_less_changes_nothing_and_holds(reads: tuple[str, str]):
    page = page_of(*MISREAD)

    record = judged(page, look(page, "/total", *reads))

    assert record.status is Status.NEEDS_REVIEW
    assert record.values["total"] == "46.20"
    assert {ProblemKind.RULE_FAILED, ProblemKind.UNCONFIRMED} <= {problem.kind for problem in record.problems}


def test_a_rule_that_held_is_never_given_up_for_another():
    page = page_of(*RIGHT[:2], "Atlas | 46.20", *MISREAD[2:])
    rows = {"/line_items/0/line_total": "46.20"}
    proposed = candidate_of("layout", {f"/{name}": value for name, value in VALUES.items()} | rows)
    told = looked_again(
        Claim(
            "/total",
            RECEIPT.fields[0].kind,
            "46.20",
            1,
            "p001.b009",
            page.blocks[8].boxes[0],
            page.blocks[8].boxes[0],
            again=True,
        ),
        ("40.20",),
        paper_of([page]),
    )

    record = judge(RECEIPT, [proposed], [page], looks=[replace(told, instead="40.20", agrees=False)])

    assert record.values["total"] == "46.20"


def test_a_doubt_that_a_failing_rule_asked_for_goes_when_the_rule_holds():
    page = page_of(*MISREAD)
    looks = look(page, "/total", "40.20", "40.20"), look(page, "/subtotal", "38.50", "33.50")

    assert judged(page, *looks).status is Status.ACCEPTED
    assert judged(page, looks[1]).status is Status.NEEDS_REVIEW


def test_a_second_look_that_agrees_makes_a_value_likelier_and_confirms_nothing():
    page = page_of(*MISREAD, score=0.94)
    record = judged(page, look(page, "/total", "46.20", "46.20"))

    (evidence,) = [one for one in record.evidence if one.field == "/total"]
    assert dict(zip(SIGNS, evidence.signs, strict=True))["ocr"] == pytest.approx(0.7)
    assert record.status is Status.NEEDS_REVIEW


@pytest.mark.ocr
def test_a_digit_that_a_model_without_confidence_misread_is_read_from_the_picture():
    page = page_of(*MISREAD, score=None)
    page = replace(page, image=replace(page.image, size=PixelSize(1000, 1000)))
    picture = Image.new("RGB", (1000, 1000), "white")
    for block, text in zip(page.blocks, [*(b.text for b in page.blocks[:-1]), "40.20"], strict=True):
        at = to_pixels(block.boxes[0], page.image.size)
        ImageDraw.Draw(picture).text((at.x1 + 2, at.y1), text, fill="black", font=ImageFont.load_default(14))
    asked = claims(page)["/total"]

    reads = read_sizes(np.asarray(picture), to_pixels(asked.box, page.image.size))

    assert judged(page, looked_again(asked, reads, paper_of([page]))).values["total"] == "40.20"
