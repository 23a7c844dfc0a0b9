"""A thousand records made wrong by one slip: how many does the judge accept?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from ocr_ops.codec import digest_of
from ocr_ops.evaluate.mutate import Slip, slipped, slips_of
from ocr_ops.evaluate.synth.invoices import draw_invoice
from ocr_ops.evaluate.synth.receipts import draw_receipt
from ocr_ops.evaluate.synth.records import draw_bill
from ocr_ops.evaluate.synth.sheet import Drawing
from ocr_ops.geometry import to_grid
from ocr_ops.judge.decide import judge
from ocr_ops.model import Block, Candidate, FieldSpec, Kind, PageImage, PixelSize, ReadPage, Schema, Status
from ocr_ops.readers.layout import read_layout
from ocr_ops.schemas import load_calibration, load_schema

RECORDS = 1000
MOST_ACCEPTED = 0.01


def page_of_drawing(drawing: Drawing) -> ReadPage:
    """The drawn page as an engine that makes no mistake would read it."""
    blocks = tuple(
        Block(f"p001.b{n:03d}", "text", (to_grid(*one.box, drawing.width, drawing.height),), one.text, 0.99)
        for n, one in enumerate(drawing.placed, start=1)
    )
    image = PageImage(1, digest_of(drawing.pdf), "image/png", PixelSize(1000, 1400), 200.0)
    return ReadPage(image, (digest_of(b"raw"),), blocks)


def accepted_documents(count: int) -> Iterator[tuple[Schema, Candidate, ReadPage]]:
    """Drawn documents that the judge accepts as they are."""
    seed = 0
    while count:
        seed += 1
        dice = Random(seed)
        receipt = bool(seed % 2)
        schema = load_schema("receipt" if receipt else "invoice")
        drawing, _ = (draw_receipt if receipt else draw_invoice)(dice, draw_bill(dice, receipt=receipt))
        page = page_of_drawing(drawing)
        candidate = read_layout((page,), schema)
        if judge(schema, [candidate], [page], load_calibration()).status is Status.ACCEPTED:
            count -= 1
            yield schema, candidate, page


def wrong_candidates(
    schema: Schema, candidate: Candidate, dice: Random
) -> Iterator[tuple[Slip, FieldSpec, Candidate]]:
    """The candidate with every possible slip in every critical field, one at a time."""
    readings = {reading.path: reading for reading in candidate.readings}
    for spec in schema.fields:
        for slip in slips_of(spec.kind) if spec.critical and spec.path in readings else ():
            right = readings[spec.path]
            value = slipped(right.value, slip, dice)
            if value is not None:
                wrong = {**readings, spec.path: replace(right, value=value)}
                yield slip, spec, replace(candidate, readings=tuple(wrong.values()))


@pytest.fixture(scope="module")
def documents() -> list[tuple[Schema, Candidate, ReadPage]]:
    return list(accepted_documents(108))


def test_of_a_thousand_records_with_one_slip_hardly_any_is_accepted(documents):
    dice, made, passed = Random(7), Counter(), Counter()
    for schema, candidate, page in documents:
        for slip, spec, wrong in wrong_candidates(schema, candidate, dice):
            record = judge(schema, [wrong], [page], load_calibration())
            value = record.values.get(spec.path.strip("/"))
            intact = next(r.value for r in candidate.readings if r.path == spec.path)
            made[slip] += 1
            passed[slip] += record.status is Status.ACCEPTED and value not in (None, intact)

    print(f"{made.total()} wrong records, {passed.total()} accepted: {dict(passed)}")
    assert made.total() >= RECORDS
    assert set(made) == set(Slip)
    assert passed.total() <= MOST_ACCEPTED * made.total(), dict(passed)


@pytest.mark.parametrize("slip", Slip)
def test_a_slip_makes_another_value_of_the_same_form(slip: Slip):
    dice = Random(1)
    for value, kind in (("2025-03-14", Kind.DATE), ("1234.50", Kind.MONEY), ("RE-2041", Kind.IDENTIFIER)):
        if slip not in slips_of(kind):
            continue
        made = [other for _ in range(50) if (other := slipped(value, slip, dice))]

        assert made
        assert value not in made
        if kind is Kind.MONEY:
            assert all(Decimal(one) != Decimal(value) for one in made)


def test_no_slip_where_nothing_can_slip():
    assert slipped("1111", Slip.SWAP, Random(1)) is None
    assert slipped("", Slip.DIGIT, Random(1)) is None
    assert slipped("5", Slip.POINT, Random(1)) is None
    assert slipped("12.50", Slip.DATE, Random(1)) is None
