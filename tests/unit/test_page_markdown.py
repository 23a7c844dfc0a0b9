"""Pages as Markdown in reading order."""

from __future__ import annotations

import pytest

from ocr_ops.codec import digest_of
from ocr_ops.model import Block, GridBox, PageImage, PixelSize, ReadPage
from ocr_ops.page_markdown import document_markdown, inert


def page(*blocks: tuple[str, tuple[float, float, float, float], str], number: int = 1) -> ReadPage:
    image = PageImage(number, digest_of(b""), "image/png", PixelSize(1000, 1400))
    made = (
        Block(f"p{number:03d}.b{n:03d}", label, (GridBox(*box),), text)
        for n, (label, box, text) in enumerate(blocks, 1)
    )
    return ReadPage(image, (), tuple(made))


def body(*blocks: tuple[str, tuple[float, float, float, float], str]) -> str:
    return document_markdown([page(*blocks)]).removeprefix("<!-- page 1 -->\n\n")


def test_lines_on_one_baseline_stand_side_by_side_with_their_columns():
    text = body(
        ("text", (100, 100, 200, 110), "Milk 1,5 l"), ("text", (850, 101, 890, 111), "1,09"),
        ("text", (100, 120, 160, 130), "Butter"), ("text", (840, 121, 890, 131), "12,49"),
    )  # fmt: skip

    assert text.splitlines() == [
        "```text",
        "Milk 1,5 l" + " " * 65 + "1,09",
        "Butter" + " " * 68 + "12,49",
        "```",
    ]


def test_lines_out_of_order_on_one_baseline_are_put_left_to_right():
    text = body(("text", (300, 100, 400, 110), "Ltd."), ("text", (100, 100, 200, 110), "Sold by"))

    assert text.index("Sold by") < text.index("Ltd.")


def test_a_line_of_backticks_cannot_end_the_fence():
    text = body(("text", (100, 100, 160, 110), "```"), ("text", (300, 100, 400, 110), "# not a heading"))

    assert text.startswith("````text\n")
    assert text.endswith("\n````\n")


def test_titles_are_headings_and_paragraphs_keep_their_lines():
    text = body(
        ("title", (0, 0, 500, 20), "# Rechnung"),
        ("sub_title", (0, 30, 500, 50), "Bank"),
        ("text", (0, 60, 500, 90), "a\nb"),
    )

    assert text == "# Rechnung\n\n## Bank\n\na  \nb\n"


def test_plain_tables_are_github_tables():
    table = "<table><tr><th>Item</th><th>Price</th></tr><tr><td>a|b</td><td>1,09<br>2,18</td></tr></table>"

    assert (
        body(("table", (0, 0, 900, 100), table))
        == "| Item | Price |\n| --- | --- |\n| a\\|b | 1,09<br>2,18 |\n"
    )


def test_tables_with_spans_stay_html():
    text = body(
        ("table", (0, 0, 900, 100), "<tr><td colspan=2><b>Sum</b></td></tr><tr><td>a</td><td>b</td></tr>")
    )

    assert text == '<table><tr><td colspan="2">Sum</td></tr><tr><td>a</td><td>b</td></tr></table>\n'


def test_figures_are_named():
    assert body(("image", (0, 0, 100, 100), "")) == "*(image)*\n"


def test_a_rule_and_a_remark_stand_between_pages():
    pages = [page(("title", (0, 0, 9, 9), "One")), page(("title", (0, 0, 9, 9), "Two"), number=2)]

    assert document_markdown(pages) == "<!-- page 1 -->\n\n# One\n\n---\n\n<!-- page 2 -->\n\n# Two\n"
    assert document_markdown([]) == ""


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("# a", "\\# a"), ("- a\n+ b\n> c", "\\- a\n\\+ b\n&gt; c"), ("1. a", "1\\. a"), ("12) a", "12\\) a"), ("1.09", "1\\.09"),
        ("**a** _b_ `c`", "\\*\\*a\\*\\* \\_b\\_ \\`c\\`"), ("[a](b) ![c](d)", "\\[a\\](b) !\\[c\\](d)"), ("===", "\\==="),
        ("<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;"), ("$5 ~x~ a|b \\", "\\$5 \\~x\\~ a\\|b \\\\"),
        ("https://a.b www.c.de d@e.f", "https\\://a.b www\\.c.de d\\@e.f"), ("a - 1 + 2", "a - 1 + 2"), ("x\u202ey\x00", "x\ufffdy\ufffd"),
    ],
)  # fmt: skip
def test_words_are_inert(text: str, out: str):
    assert inert(text) == out
