"""The text of a table block becomes cells with estimated places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.model import Block, GridBox
from ocr_ops.table_cells import MAX_PIECES, Cell, LooseLine, cells_of, table_pieces, table_without_cells

BOX = GridBox(0, 100, 800, 200)


def table(text: str, label: str = "table") -> Block:
    return Block("p001.b001", label, (BOX,), text)


def grid(text: str) -> list[tuple[int, int, str]]:
    return [(cell.row, cell.col, cell.text) for cell in cells_of(table(text))]


def test_cells_stand_on_rows_and_columns():
    html = "<table><tr><td>Item</td><td>Price</td></tr><tr><td>Milk</td><td>1,09</td></tr></table>"

    assert grid(html) == [(0, 0, "Item"), (0, 1, "Price"), (1, 0, "Milk"), (1, 1, "1,09")]


def test_boxes_fill_the_block_by_rows_and_longest_text():
    first, second, third, fourth = cells_of(
        table("<tr><td>abcdefghi</td><td>123</td></tr><tr><td>a</td><td>1</td></tr>")
    )

    assert (first.box, second.box) == (GridBox(0, 100, 550, 150), GridBox(550, 100, 800, 150))
    assert (third.box, fourth.box) == (GridBox(0, 150, 550, 200), GridBox(550, 150, 800, 200))


def test_a_row_of_two_lines_is_twice_as_high():
    cells = cells_of(table("<tr><td>a<br>b</td></tr><tr><td>c</td></tr>"))

    assert cells[0].text == "a\nb"
    assert cells[0].box.y2 == pytest.approx(100 + 100 * 2 / 3)


def test_spans_push_their_neighbours_as_in_a_browser():
    html = "<tr><td rowspan='2'>A</td><td colspan=\"2\">B</td></tr><tr><td>c</td><td>d</td></tr><tr><td>e</td></tr>"

    assert grid(html) == [(0, 0, "A"), (0, 1, "B"), (1, 1, "c"), (1, 2, "d"), (2, 0, "e")]
    a, b, *_ = cells_of(table(html))
    assert (a.rowspan, a.colspan, b.rowspan, b.colspan) == (2, 1, 1, 2)
    assert b.box.x2 == BOX.x2


def test_a_span_ends_with_the_table():
    (cell,) = cells_of(table("<tr><td rowspan=9 colspan=2>A</td></tr>"))

    assert (cell.rowspan, cell.box) == (1, BOX)


def test_heads_are_known():
    assert [c.header for c in cells_of(table("<tr><th>Item</th></tr><tr><td>Milk</td></tr>"))] == [
        True,
        False,
    ]


def test_text_is_unescaped_and_inner_marks_are_dropped():
    assert grid("<tr><td><b>Marks &amp; Spencer</b> &lt;London&gt;</td></tr>") == [
        (0, 0, "Marks & Spencer <London>")
    ]


def test_unknown_tags_are_text():
    assert grid("<tr><td><script>alert(1)</script></td></tr>") == [(0, 0, "<script>alert(1)</script>")]


def test_missing_closers_and_rows_are_forgiven():
    assert grid("<td>a<td>b<tr><td>c") == [(0, 0, "a"), (0, 1, "b"), (1, 0, "c")]


def test_text_outside_cells_keeps_its_order():
    pieces = table_pieces(table("Items<table><tr><td>Milk</td></tr></table>Thank you"))

    assert [type(p) for p in pieces] == [LooseLine, Cell, LooseLine]
    assert [p.text for p in pieces] == ["Items", "Milk", "Thank you"]


def test_a_pipe_table_has_cells_too():
    assert grid("| Item | Price |\n| --- | ---: |\n| Milk | 1,09 |\nend") == [
        (0, 0, "Item"), (0, 1, "Price"), (1, 0, "Milk"), (1, 1, "1,09"),
    ]  # fmt: skip
    assert [c.header for c in cells_of(table("|a|\n|--|\n|b|"))] == [True, False]


@pytest.mark.parametrize("text", ["<table>MilkCheese1,092,18</table>", "MilkCheese1,092,18", ""])
def test_a_table_whose_cells_are_gone_is_found(text: str):
    assert table_without_cells(table(text))
    assert cells_of(table(text)) == ()


@pytest.mark.parametrize(
    "block", [table("<tr><td>1</td></tr>"), table("|a|\n|--|\n|b|"), table("TOTAL 5,00", label="text")]
)
def test_whole_tables_and_plain_text_are_not_complained_about(block: Block):
    assert not table_without_cells(block)


HOSTILE = (
    "<td rowspan=512 colspan=999>", "<td rowspan=9999><tr><td>", "<td", "<td ", "<", "<![", "<!--", "&#9", "&", "<br>",
    "<table><tr><td>", "| a ", "|--", "<td colspan=-1>x", "</td></tr>", "<th colspan='99999999999'>",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_is_read_whole(piece: str):
    text = "<tr><td>first</td>" + piece * 3000 + "last"

    assert "last" in "".join(p.text for p in table_pieces(table(text)))


def test_a_reference_of_thousands_of_digits_stays_text():
    assert grid(f"<td>&#{'9' * 5000};</td>") == [(0, 0, f"&#{'9' * 5000};")]


@given(
    st.lists(
        st.sampled_from([*HOSTILE, "<tr>", "<td>", "abc", "é", " ", "\n", "</table>", "12"]), max_size=40
    )
)
def test_any_markup_keeps_its_words_inside_the_box(pieces: list[str]):
    text = "".join(pieces)

    found = table_pieces(table("<td>" + text))

    assert sum(p.text.count("abc") for p in found) == text.count("abc")
    assert all(0 <= p.box.x1 <= p.box.x2 <= 800 and 100 <= p.box.y1 <= p.box.y2 <= 200.000001 for p in found)


@pytest.mark.parametrize(
    "piece", ["<td>7", "<tr><td>7", "</td>7<tr>", "|7", "| 7\n", "<td rowspan=9999 colspan=256>7<tr>"]
)
def test_more_cells_than_any_page_has_are_kept_as_text_of_the_last(piece: str):
    count = 3 * MAX_PIECES

    pieces = table_pieces(
        table("| a |\n|---|\n" + piece * count if "|" in piece else "<td>a</td>" + piece * count)
    )

    assert len(pieces) <= MAX_PIECES
    assert sum(one.text.count("7") for one in pieces) == count
