"""Drawn documents: the same for a seed, amounts that add up, and boxes that hold what they say."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from random import Random

import numpy as np
import pymupdf
import pytest
from PIL import Image

from ocr_ops.evaluate.dataset import read_boxes, read_dataset
from ocr_ops.evaluate.synth.dataset import BillType, write_dataset
from ocr_ops.evaluate.synth.receipts import draw_receipt
from ocr_ops.evaluate.synth.records import draw_bill
from ocr_ops.evaluate.synth.sheet import money
from ocr_ops.evaluate.synth.wear import Wear, worn
from ocr_ops.evaluate.synth.words import ARTICLES, COUNTRIES, LABELS, NAMES, STREETS
from ocr_ops.grammar.identifiers import find_iban, find_tax_id
from ocr_ops.judge.rules import check_rules
from ocr_ops.schemas import load_schema, violations

BILLS = [draw_bill(Random(seed), receipt=seed % 2 == 0) for seed in range(300)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("synth"), count=6, seed=3, wear=Wear.HEAVY)


def test_the_same_seed_draws_the_same_bytes(tmp_path: Path, drawn: Path):
    again = write_dataset(tmp_path, count=6, seed=3, wear=Wear.HEAVY)
    other = write_dataset(tmp_path / "other", count=1, seed=4)

    assert again.read_bytes() == drawn.read_bytes()
    assert all((tmp_path / f.name).read_bytes() == f.read_bytes() for f in drawn.parent.iterdir())
    assert other.read_bytes().splitlines()[0] != drawn.read_bytes().splitlines()[0]


def test_more_documents_do_not_change_the_first(tmp_path: Path, drawn: Path):
    fewer = write_dataset(tmp_path, count=2, seed=3, wear=Wear.HEAVY)

    assert drawn.read_bytes().startswith(fewer.read_bytes())


def test_every_amount_of_a_bill_adds_up():
    for bill in BILLS:
        lines = sum((line.total for line in bill.lines), Decimal(0)) - bill.discount

        assert bill.net + bill.tax == bill.gross
        assert lines == (bill.gross if bill.included else bill.net)
        assert abs(bill.rounding) <= Decimal("0.02")
        assert not bill.rounding or bill.total * 20 == int(bill.total * 20)


def test_bills_show_the_shapes_real_ones_have():
    assert any(bill.discount for bill in BILLS)
    assert any(bill.rounding for bill in BILLS)
    assert any(len(bill.taxes) > 1 for bill in BILLS)
    assert {bill.country for bill in BILLS} == set(COUNTRIES)


def test_numbers_of_parties_have_right_check_digits():
    for bill in BILLS:
        if bill.seller.iban:
            assert find_iban(bill.seller.iban) is not None
        if bill.country.code not in ("US", "CH"):
            assert find_tax_id(bill.seller.tax_id).text == bill.seller.tax_id


def test_every_language_has_the_same_words():
    languages = {country.language for country in COUNTRIES}

    assert languages == set(LABELS) == set(NAMES) == set(STREETS) == set(ARTICLES)
    assert {len(words) for words in LABELS.values()} == {len(LABELS["en"])}


def test_truth_fits_the_schema_and_its_rules(tmp_path: Path):
    for case in read_dataset(
        write_dataset(tmp_path, count=30, seed=5, wear=Wear.NONE, bill_type=BillType.INVOICE)
    ):
        schema = load_schema(case.doc_type)
        items = [dict(item) for item in case.line_items]
        flat = {f"/{k}": v for k, v in case.truth.items()}
        flat |= {f"/line_items/{n}/{k}": v for n, item in enumerate(items) for k, v in item.items()}

        assert violations(schema, {**case.truth, "line_items": items}) == ()
        assert all(result.holds is not False for result in check_rules(schema, flat))


def test_printed_amounts_follow_the_country():
    printed = {c.code: money(Decimal("-1234.5"), c, sign=True) for c in COUNTRIES}

    assert printed["DE"] == "-1.234,50 €"
    assert printed["US"] == "$-1,234.50"
    assert printed["FR"] == "-1 234,50 €"


def test_a_pdf_has_its_words_where_the_boxes_say(tmp_path: Path):
    (case,) = read_dataset(
        write_dataset(tmp_path, count=1, seed=8, wear=Wear.NONE, bill_type=BillType.INVOICE)
    )
    noted = json.loads(case.boxes_file.read_text())

    page = pymupdf.open(case.path)[0]
    for one in noted["boxes"]:
        x1, y1, x2, y2 = one["box"]
        found = page.get_textbox(pymupdf.Rect(x1 - 1, y1 + 2, x2 + 1, y2 - 2))
        assert one["text"].split()[0] in found


def test_boxes_of_a_worn_picture_hold_the_ink(drawn: Path):
    for case in read_dataset(drawn):
        noted = json.loads(case.boxes_file.read_text())
        with Image.open(case.path) as opened:
            pixels = np.asarray(opened.convert("L"), dtype=float)
        assert (noted["height"], noted["width"]) == pixels.shape
        for one in noted["boxes"]:
            x1, y1, x2, y2 = one["box"]
            inside = pixels[max(0, y1) : y2, max(0, x1) : x2]
            assert inside.std() > 4, one["text"]
        assert "/total" in read_boxes(case).fields or "/grand_total" in read_boxes(case).fields


def test_wear_moves_boxes_with_the_picture():
    page = Image.new("L", (400, 600), 255)
    page.paste(0, (300, 80, 320, 100))

    picture, moved, _ = worn(page, Wear.HEAVY, np.random.default_rng(1))

    x1, y1, x2, y2 = map(round, moved((300, 80, 320, 100)))
    pixels = np.asarray(picture, dtype=float)
    darkest = np.unravel_index(
        np.argmin(np.asarray(picture.resize((picture.width // 8, picture.height // 8)), dtype=float)),
        (picture.height // 8, picture.width // 8),
    )
    assert x1 <= darkest[1] * 8 + 4 <= x2 + 4
    assert y1 <= darkest[0] * 8 + 4 <= y2 + 4
    assert pixels[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4].mean() < pixels.mean() - 40


def test_a_receipt_never_says_more_than_it_prints():
    dice = Random(12)
    bill = draw_bill(dice, receipt=True)

    drawing, truth = draw_receipt(dice, bill)

    printed = " ".join(one.text for one in drawing.placed)
    assert money(Decimal(truth["total"]), bill.country) in printed
    assert money(Decimal(truth["tax_total"]), bill.country) in printed
    assert truth["receipt_number"] in printed
