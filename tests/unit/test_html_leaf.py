"""Text goes out escaped, tables are written anew."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.html_leaf import escaped, table_html
from ocr_ops.model import Block, GridBox
from ocr_ops.table_cells import table_pieces


def written(text: str) -> str:
    return table_html(table_pieces(Block("p001.b001", "table", (GridBox(0, 0, 999, 999),), text)))


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"a\" 'b' & ]]>", "&quot;a&quot; &#x27;b&#x27; &amp; ]]&gt;"),
        ("100\u202e001\u2066", "100\ufffd001\ufffd"),
        ("a\x00b\x1b[0m\x85c", "a\ufffdb\ufffd[0m\nc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\ud800", "\ufffd"),
    ],
)
def test_text_cannot_be_markup_nor_turn_the_writing_direction(text: str, out: str):
    assert escaped(text) == out


def test_cells_are_written_with_their_spans_and_heads():
    text = "<tr><th colspan=2>Item</th></tr><tr><td rowspan=2>a<br>b</td><td onclick='x()'>1</td></tr><tr><td>2</td></tr>"

    assert written(text) == (
        '<table><tr><th colspan="2">Item</th></tr><tr><td rowspan="2">a<br>b</td><td>1</td></tr><tr><td>2</td></tr></table>'
    )


def test_lines_around_cells_become_rows():
    assert written("Items<table><tr><td>a</td><td>b</td></tr></table>") == (
        '<table><tr><td colspan="2" class="loose">Items</td></tr><tr><td>a</td><td>b</td></tr></table>'
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


@given(
    st.lists(
        st.sampled_from(
            [
                "<td>",
                "<tr>",
                "<script>",
                "<td onload=x ",
                "<img src=x>",
                "'",
                '"',
                ">",
                "a",
                "&lt;b&gt;",
                "<!--",
            ]
        )
    )
)
def test_no_other_tag_or_attribute_comes_through(pieces: list[str]):
    tags = Tags()
    tags.feed(written("<td>" + "".join(pieces)))

    assert tags.seen <= {"table", "tr", "td", "br"}
    assert tags.attributes <= {"class", "rowspan", "colspan"}


@given(st.text())
def test_escaping_keeps_every_printable_character(text: str):
    back = html.unescape(escaped(text))

    assert [c for c in text if c.isprintable()] == [
        c for c in back if c.isprintable() and c != "\ufffd"
    ] or "\ufffd" in text
