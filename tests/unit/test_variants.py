"""Copies of a PDF from which the easier ways of reading were taken away."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest

from ocr_ops.evaluate.dataset import Case
from ocr_ops.evaluate.variants import Variant, as_variant

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
EINVOICE = SAMPLES / "invoice_de_two_pages_einvoice.pdf"


def case(path: Path) -> Case:
    return Case("a", "samples", path, "invoice", {})


def test_without_xml_nothing_is_attached_and_the_text_stays(tmp_path: Path):
    copy = as_variant(case(EINVOICE), Variant.NO_XML, tmp_path).path

    with pymupdf.open(EINVOICE) as before, pymupdf.open(copy) as after:
        assert before.embfile_names()
        assert after.embfile_names() == []
        assert after.xref_get_key(after.pdf_catalog(), "AF")[0] == "null"
        assert [page.get_text() for page in after] == [page.get_text() for page in before]
    assert b"/EmbeddedFile" not in copy.read_bytes()


def test_a_picture_has_the_pages_and_no_text(tmp_path: Path):
    copy = as_variant(case(EINVOICE), Variant.PICTURE, tmp_path).path

    with pymupdf.open(EINVOICE) as before, pymupdf.open(copy) as after:
        assert [page.rect for page in after] == [page.rect for page in before]
        assert "".join(page.get_text() for page in after).strip() == ""


@pytest.mark.parametrize("variant", [Variant.NO_XML, Variant.PICTURE])
def test_a_copy_is_made_once(tmp_path: Path, variant: Variant):
    first = as_variant(case(EINVOICE), variant, tmp_path).path
    stamp = first.stat().st_mtime_ns

    assert as_variant(case(EINVOICE), variant, tmp_path).path.stat().st_mtime_ns == stamp


def test_pictures_and_files_as_they_are_stay_where_they_are(tmp_path: Path):
    photo = case(SAMPLES / "receipt_en_bookshop.jpg")

    assert as_variant(photo, Variant.PICTURE, tmp_path) == photo
    assert as_variant(case(EINVOICE), Variant.AS_IS, tmp_path) == case(EINVOICE)
    assert list(tmp_path.iterdir()) == []
