from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layout_builder import page, read_page, values
from ocr_ops.model import Block, GridBox
from ocr_ops.readers.layout import read_layout
from ocr_ops.schemas import load_schema

PRINTED = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["TOTAL", "RM 12.50", "12/13/2018", "Jalan 1, 43000", "X SDN BHD", "2 x 1,49", "(((", "IBAN DE", "0.00", "-", "Name:"]),
)  # fmt: skip


@pytest.mark.parametrize("doc_type", ["receipt", "invoice"])
@given(lines=st.lists(st.tuples(st.floats(0, 900), st.floats(0, 980), PRINTED), max_size=25))
@settings(max_examples=60, deadline=None)
def test_no_page_breaks_the_reader(doc_type: str, lines: list[tuple[float, float, str]]) -> None:
    candidate = read_layout((page(lines),), load_schema(doc_type))

    known = {f"p001.b{n:03d}" for n in range(1, len(lines) + 1)}
    for reading in candidate.readings:
        assert set(reading.blocks) <= known
        assert 0.0 <= reading.score <= 1.0
        assert reading.value


def test_boxes_without_extent_and_outside_the_page_are_borne() -> None:
    blocks = (
        Block("p001.b001", "text", (GridBox(10, 10, 10, 10),), "TOTAL 12.50"),
        Block("p001.b002", "text", (GridBox(900, 900, 2000, 2000),), "RM 9.00"),
        Block("p001.b003", "text", (), "no place"),
        Block("p001.b004", "text", (GridBox(0, 0, 999, 999),), ""),
    )

    assert values(read_layout((read_page(blocks),), load_schema("receipt")))["/total"] == "12.50"


@pytest.mark.parametrize(
    "text", ["9" * 5000, "1." * 3000, "A-" * 3000 + "1", " " * 5000 + "x", "(" * 4000, "Jalan " * 800, "no " * 1500, "12/" * 2000]
)  # fmt: skip
def test_long_text_neither_holds_the_reader_up_nor_becomes_a_total(text: str) -> None:
    for doc_type in ("receipt", "invoice"):
        found = values(read_layout((page([(10, 10, text), (10, 60, text)]),), load_schema(doc_type)))

        assert not {"/total", "/grand_total"} & found.keys()
