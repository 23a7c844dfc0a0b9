"""Blocks become pieces of one printed line each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.model import Block, GridBox
from ocr_ops.segments import MAX_LINES, Segment, plain_line, segments_of

BOX = GridBox(100, 200, 500, 240)


def block(text: str, *boxes: GridBox, label: str = "text") -> Block:
    return Block("p001.b001", label, boxes or (BOX,), text, 0.9)


def texts(*blocks: Block) -> list[str]:
    return [segment.text for segment in segments_of(blocks)]


def test_one_line_is_itself():
    assert segments_of([block("TOTAL 12,50")]) == (Segment("p001.b001", "TOTAL 12,50", BOX, 0.9),)


def test_lines_share_the_height_of_their_box():
    first, second = segments_of([block("ALDI\n33100 Paderborn")])

    assert ("ALDI", GridBox(100, 200, 500, 220)) == (first.text, first.box)
    assert ("33100 Paderborn", GridBox(100, 220, 500, 240)) == (second.text, second.box)


def test_empty_lines_take_no_room():
    assert len(segments_of([block("ALDI\n\n  \r\nPaderborn\n")])) == 2


def test_a_line_a_box_when_there_are_as_many():
    tall, low = GridBox(0, 0, 100, 90), GridBox(0, 100, 100, 110)

    assert [s.box for s in segments_of([block("a\nb", tall, low)])] == [tall, low]


def test_lines_go_to_boxes_by_their_height():
    tall, low = GridBox(0, 0, 100, 90), GridBox(200, 100, 300, 145)

    boxes = [s.box for s in segments_of([block("a\nb\nc", tall, low)])]

    assert boxes == [GridBox(0, 0, 100, 45), GridBox(0, 45, 100, 90), low]


def test_a_block_without_a_place_gives_nothing():
    assert segments_of([Block("p001.b001", "text", (), "floating")]) == ()


def test_a_table_gives_one_segment_a_cell():
    table = block(
        "<table><tr><td>Milk</td><td>1,09</td></tr><tr><td></td><td>2,18</td></tr></table>", label="table"
    )

    found = [(s.text, s.row, s.col) for s in segments_of([table])]

    assert found == [("Milk", 0, 0), ("1,09", 0, 1), ("2,18", 1, 1)]


def test_text_around_a_table_is_kept():
    assert texts(block("Items\n<table><tr><td>Milk</td></tr></table>\nThank you")) == [
        "Items",
        "Milk",
        "Thank you",
    ]


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("## Invoice", "Invoice"),
        ("**Total** 5,00", "Total 5,00"),
        ("上车 **1228** 22:**20**", "上车 1228 22:20"),
        ("<center>Figure 1</center>", "Figure 1"),
        (r"VAT \(20\%\)", "VAT 20%"),
        (r"\$5.00", "$5.00"),
        ("| Milk | 1,09 |", "Milk  1,09"),
        ("| --- | ---: |", ""),
    ],
)
def test_marks_no_page_prints_are_taken_out(marked: str, plain: str):
    assert plain_line(marked) == plain


@pytest.mark.parametrize(
    "printed",
    ["#12345", "Invoice No : # BLR_1", "**** **** **** 1234", "*** ENDE ***", "2 * 1,09 * 3", "a | b", "#"],
)
def test_marks_that_a_page_may_print_stay(printed: str):
    assert plain_line(printed) == printed


@given(st.text(), st.lists(st.tuples(*[st.floats(0, 999)] * 4), min_size=1, max_size=4))
def test_any_text_keeps_its_letters_and_its_place(
    text: str, corners: list[tuple[float, float, float, float]]
):
    boxes = tuple(GridBox(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners)

    found = segments_of([block(text, *boxes)])

    assert all(s.text.strip() for s in found)
    assert all(
        0 <= s.box.x1 <= s.box.x2 <= 999 and -1e-6 <= s.box.y1 <= s.box.y2 <= 999 + 1e-6 for s in found
    )


def test_more_lines_than_any_page_has_are_kept_as_one():
    found = segments_of([block("7\n" * (3 * MAX_LINES))])

    assert len(found) == MAX_LINES
    assert sum(segment.text.count("7") for segment in found) == 3 * MAX_LINES
