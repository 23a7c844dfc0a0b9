"""Critical values that an engine read once and without confidence are looked at again."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from builders import candidate, page_of
from ocr_ops.engines.lines import read_sizes
from ocr_ops.judge.evidence import paper_of
from ocr_ops.judge.witness import Witnessed, attest, doubtful_claims
from ocr_ops.model import PixelBox, ProblemKind
from ocr_ops.schemas import load_schema

RECEIPT = load_schema("receipt")
LINES = ("ALPHA BOOKS LTD", "Date: 03/03/2018", "TOTAL | 40.20", "CASH | 40.20")
VALUES = {"merchant_name": "ALPHA BOOKS LTD", "date": "2018-03-03", "total": "40.20"}


def doubtful(*lines: str, score: float | None):
    page = page_of(*lines, score=score)
    return doubtful_claims(RECEIPT, [candidate(**VALUES)], [page], paper_of([page]))


def test_only_a_critical_value_that_is_printed_once_is_looked_at_again():
    (claim,) = doubtful(*LINES, score=0.93)

    assert (claim.field, claim.value, claim.again) == ("/date", "2018-03-03", True)


@pytest.mark.parametrize("score", [0.99, None])
def test_what_was_read_with_confidence_or_without_any_measure_is_not(score: float | None):
    assert doubtful(*LINES, score=score) == ()


def test_a_second_look_that_reads_otherwise_holds_the_value_in_words():
    page = page_of(*LINES, score=0.93)
    (claim,) = doubtful(*LINES, score=0.93)

    told = attest(claim, "Date: 03/02/2018", paper_of([page]))

    (problem,) = Witnessed((told,)).doubts
    assert problem.kind is ProblemKind.UNCONFIRMED
    assert problem.field == "/date"
    assert "second look" in problem.detail
    assert "03/02/2018" in problem.detail


def test_a_second_look_that_agrees_says_nothing():
    page = page_of(*LINES, score=0.93)
    (claim,) = doubtful(*LINES, score=0.93)

    assert Witnessed((attest(claim, "03/03/2018", paper_of([page])),)).doubts == ()


@pytest.mark.ocr
def test_a_line_is_read_as_it_is_and_larger():
    picture = Image.new("RGB", (400, 60), "white")
    ImageDraw.Draw(picture).text((20, 15), "Date: 03/02/2018", fill="black", font=ImageFont.load_default(24))

    reads = read_sizes(np.asarray(picture), PixelBox(15, 12, 260, 44))

    assert [read.replace(" ", "") for read in reads] == ["Date:03/02/2018"] * 2


@pytest.mark.ocr
def test_a_place_off_the_picture_shows_nothing():
    assert read_sizes(np.full((20, 20, 3), 255, dtype=np.uint8), PixelBox(90, 90, 99, 99)) == ("", "")
