"""How much work a document is guessed to be, and how work is shared out."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest

from ocr_ops.pipeline.journey import Journey
from ocr_ops.pipeline.weighing import BYTES, MOST_BATCHES, PAGES, expected_pages, shared_out

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*_*.pdf"))


def journeys(count: int, *, pages: int = 1, size: int = 1000) -> list[Journey]:
    return [Journey(f"file:///{n}", str(n), size, pages_expected=pages) for n in range(count)]


def sizes(*arguments: object, most: int = 20) -> list[int]:
    return [len(batch) for batch in shared_out(*arguments, most=most)]  # type: ignore[arg-type]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_pages_of_the_samples_are_counted_within_one(path: Path):
    with pymupdf.open(path) as document:
        assert abs(expected_pages("application/pdf", path.read_bytes()) - document.page_count) <= 1


@pytest.mark.parametrize("packed", [False, True])
def test_pages_of_a_long_pdf_are_counted_whether_its_objects_are_packed_or_not(packed: bool):
    document = pymupdf.open()
    for number in range(37):
        document.new_page().insert_text((72, 72), f"page {number}")
    data = document.tobytes(garbage=4, deflate=True, use_objstms=int(packed))

    assert 1 <= expected_pages("application/pdf", data) <= 37
    assert packed or expected_pages("application/pdf", data) == 37


def test_a_picture_is_a_page_and_a_forged_count_is_bounded():
    assert expected_pages("image/png", b"/Type /Page" * 9) == 1
    assert expected_pages("application/pdf", b"%PDF-1.7 /Count 999999") == 5000


def test_a_batch_is_full_by_documents_by_pages_or_by_bytes():
    assert sizes(journeys(45)) == [20, 20, 5]
    assert sizes(journeys(4, pages=PAGES // 2)) == [2, 2]
    assert sizes(journeys(3, size=BYTES)) == [1, 1, 1]
    assert sizes(journeys(2, pages=PAGES * 3)) == [1, 1]
    assert sizes([]) == []


def test_a_hundred_thousand_documents_are_shared_out_in_as_many_batches_as_airflow_may_map_over():
    everything = journeys(100_000)

    batches = list(shared_out(everything, most=20))

    assert len(batches) <= MOST_BATCHES
    assert [journey for batch in batches for journey in batch] == everything
    assert max(map(len, batches)) <= 2 * 100_000 / MOST_BATCHES
