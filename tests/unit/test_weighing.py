"""How much work a document is guessed to be, and how work is shared out."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest

from ocr_ops.codec import to_json
from ocr_ops.pipeline.journey import Batch, Journey, Order
from ocr_ops.pipeline.planning import batch_json
from ocr_ops.pipeline.scratch import Scratch
from ocr_ops.pipeline.weighing import (
    BYTES,
    FEWEST_PAGES,
    MOST_BATCHES,
    PAGES,
    ROUNDS,
    expected_pages,
    shared_out,
)

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*_*.pdf"))


def journeys(count: int, *, pages: int = 1, size: int = 1000) -> list[Journey]:
    return [Journey(f"file:///{n}", str(n), size, pages_expected=pages) for n in range(count)]


def sizes(documents: list[Journey], *, most: int = 0, readers: int = 1) -> list[int]:
    return [len(batch) for batch in shared_out(documents, most=most, readers=readers)]


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
    assert sizes(journeys(45), most=20) == [20, 20, 5]
    assert sizes(journeys(4 * ROUNDS, pages=PAGES // 2))[: 2 * ROUNDS - 2] == [2] * (2 * ROUNDS - 2)
    assert sizes(journeys(3, size=BYTES)) == [1, 1, 1]
    assert sizes(journeys(2, pages=PAGES * 3)) == [1, 1]
    assert sizes([]) == []


def test_a_small_folder_is_shared_by_all_readers_but_never_into_crumbs():
    assert sizes(journeys(30)) == [30]
    assert sizes(journeys(2000), readers=1)[:9] == [PAGES] * 9
    assert sizes(journeys(1500), readers=5)[4:6] == [150] * 2
    assert sizes(journeys(200), readers=5) == [FEWEST_PAGES] * 5


def test_the_last_batches_are_small_so_that_little_is_left_to_do_after_the_last_page():
    found = sizes(journeys(2000), readers=3)

    assert sum(found) == 2000
    assert found[-7:] == sorted(found[-7:], reverse=True)
    assert max(found) == PAGES < -(-2000 // (3 * ROUNDS))
    assert max(found[-3:]) == FEWEST_PAGES


def test_readers_do_not_all_end_their_first_batch_at_once():
    assert sizes(journeys(2000), readers=3)[:3] == [66, 133, 200]


def test_full_batches_of_a_long_run_differ_so_that_readers_do_not_fall_into_step():
    found = [len(batch) for batch in shared_out(journeys(5000), most=0, readers=4, in_flight=128)]

    assert found[4:12] == [256, 240, 224, 208] * 2


def test_a_single_reader_leaves_little_for_the_end_too():
    assert sizes(journeys(300), readers=1) == [150, 75, 40, 35]


def test_a_batch_has_half_of_the_pages_that_its_task_has_in_flight_and_at_most_twice_as_many():
    few = [len(batch) for batch in shared_out(journeys(2000), most=0, readers=4, in_flight=128)]
    many = [len(batch) for batch in shared_out(journeys(20_000), most=0, readers=4, in_flight=8 * 128)]

    assert min(few[:-1]) == 64 < max(few) == 250
    assert min(many[:-1]) == 8 * 64 < max(many) <= 2 * 8 * 128


def test_a_hundred_thousand_documents_are_shared_out_in_as_many_batches_as_airflow_may_map_over():
    everything = journeys(100_000)

    batches = list(shared_out(everything, most=20))

    assert len(batches) <= MOST_BATCHES
    assert [journey for batch in batches for journey in batch] == everything
    assert max(map(len, batches)) <= 2 * 100_000 / MOST_BATCHES


def test_a_batch_put_together_from_noted_documents_is_the_batch_that_its_documents_make():
    order = Order(tenant="acme")
    documents = tuple(journeys(3))

    with Scratch() as scratch:
        scratch.add(documents)
        (noted,) = scratch.parts([3])

    assert batch_json(order, noted, 7) == to_json(Batch(order, documents, 7))
