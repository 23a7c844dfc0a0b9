"""Pages as HTML: places, escaping, crops, no scripts."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden_files import GOLDEN, SWITCH, assert_golden
from ocr_ops.codec import digest_of
from ocr_ops.grounding import parse_reply
from ocr_ops.html_page import document_html, document_markdown, page_html
from ocr_ops.model import Block, GridBox, PageImage, PixelSize, RawPage, ReadPage, ReplyFormat

SIZE = PixelSize(1654, 2339)


def page(*blocks: Block, number: int = 1) -> ReadPage:
    return ReadPage(PageImage(number, digest_of(b""), "image/png", SIZE), (), blocks)


def block(
    text: str,
    label: str = "text",
    box: tuple[float, ...] = (99.9, 199.8, 499.5, 219.78),
    score: float | None = None,
) -> Block:
    return Block("p001.b001", label, (GridBox(*box),), text, score)


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    def by_id(self, name: str) -> dict[str, str | None]:
        return next(attributes for _, attributes in self.found if attributes.get("id") == name)


@pytest.mark.parametrize("case", ["hostile", "invoice"])
def test_golden_replies_render_as_before(case: str):
    folder = GOLDEN / "replies" / case
    reply = (folder / "reply.txt").read_bytes().decode()
    parsed = parse_reply(RawPage(1, "vllm", "deepseek-ocr", "1", ReplyFormat.GROUNDING, reply))
    pages = [page(*parsed.blocks)]

    assert_golden(folder / "page.html", document_html("a <b>.pdf", pages, picture_src=lambda p: "page-1.png"))
    assert_golden(folder / "page.md", document_markdown(pages))
    assert_golden(folder / "stray.txt", "\n".join(parsed.stray))


def test_goldens_are_never_written_in_ci():
    assert not os.environ.get("CI") or os.environ.get(SWITCH) != "1"


def test_a_block_stands_at_its_share_of_the_page():
    html = Elements(page_html(page(block("TOTAL", score=0.98)), picture_src=None))

    found = html.by_id("p001.b001")
    assert found["style"] == "left:10.00%;top:20.00%;width:40.00%;height:2.00%"
    assert (found["data-label"], found["title"]) == ("text", "text p001.b001, confidence 98 %")
    assert "aspect-ratio:1654/2339" in (html.of("article")[0]["style"] or "")


def test_words_are_fitted_to_their_box():
    (text,) = Elements(page_html(page(block("Gesamtbetrag der Rechnung")), picture_src=None)).of("text")

    assert float(text["font-size"] or 0) == pytest.approx(0.78 * 0.02 * 2339, rel=0.02)
    assert float(text["textlength"] or 0) <= 0.4 * 1654 + 0.1


def test_a_long_paragraph_in_one_line_wraps():
    html = Elements(page_html(page(block("word " * 80, box=(100, 100, 500, 300))), picture_src=None))

    assert html.of("p")[0]["style"] is not None
    assert html.of("svg") == []


def test_a_tall_box_is_written_downwards():
    (text,) = Elements(page_html(page(block("手写无效", box=(10, 100, 30, 300))), picture_src=None)).of(
        "text"
    )

    assert text["class"] == "down"


def test_doubtful_words_are_marked():
    sure, doubtful = (
        Elements(page_html(page(block("a", score=s)), picture_src=None)).by_id("p001.b001")
        for s in (0.9, 0.5)
    )

    assert "doubtful" not in (sure["class"] or "")
    assert "doubtful" in (doubtful["class"] or "")


def test_a_figure_is_a_window_on_the_pages_picture():
    html = Elements(page_html(page(block("", "image", (499.5, 0, 999, 249.75))), picture_src="page-1.png"))

    crop, scan = html.of("img")
    assert crop == {
        "src": "page-1.png",
        "alt": "image",
        "style": "left:-100.00%;top:0.00%;width:200.00%;height:400.00%",
    }
    assert scan["src"] == "page-1.png"


def test_without_a_picture_figures_are_named_and_there_is_no_scan():
    html = Elements(page_html(page(block("", "image")), picture_src=None))

    assert html.of("img") == html.of("figure") == []
    assert "image" in html.text


def test_each_box_on_the_scan_leads_to_its_words():
    blocks = (
        Block("p001.b001", "text", (GridBox(0, 0, 9, 9), GridBox(20, 20, 30, 30)), "a"),
        Block("p001.b002", "text", (GridBox(0, 50, 9, 60),), "b"),
    )

    links = [a["href"] for a in Elements(page_html(page(*blocks), picture_src="p.png")).of("a")]

    assert links == ["#p001.b001", "#p001.b001", "#p001.b002"]


def test_a_block_without_a_place_is_still_shown():
    assert (
        "floating"
        in Elements(page_html(page(Block("p001.b001", "text", (), "floating")), picture_src=None)).text
    )


def test_an_address_cannot_leave_its_attribute():
    html = Elements(page_html(page(block("", "image")), picture_src='"><script>alert(1)</script>'))

    assert html.of("script") == []


def test_a_document_runs_no_script_and_loads_nothing_from_elsewhere():
    html = document_html(
        "x", [page(block("a")), page(block("b"), number=2)], picture_src=lambda p: f"{p.image.number}.png"
    )

    elements = Elements(html)
    policy = elements.of("meta")[1]["content"] or ""
    assert policy.startswith("default-src 'none'; img-src 'self' data: file:;")
    assert "script" not in policy
    assert not re.search(r"https?:|url\(|@import|<script|<link|\bon\w+=", html)
    assert [img["src"] for img in elements.of("img")] == ["1.png", "2.png"]


HOSTILE = [
    "<script>",
    "</text>",
    "</svg>",
    "]]>",
    "-->",
    '"',
    "'",
    " onload=x ",
    "javascript:",
    "&lt;",
    "\x00",
    "\u202e",
    "<td>",
    "|",
    "\n",
    "a",
    "**",
]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(HOSTILE), max_size=12).map("".join),
    st.sampled_from(["text", "table", "image", '"><b', "title"]),
)
def test_no_text_or_label_becomes_markup(text: str, label: str):
    html = page_html(page(block(text, label)), picture_src="p.png")

    elements = Elements(html)
    allowed = {
        "section",
        "article",
        "div",
        "svg",
        "text",
        "p",
        "br",
        "img",
        "span",
        "figure",
        "a",
        "table",
        "tr",
        "td",
        "th",
    }
    assert {tag for tag, _ in elements.found} <= allowed
    names = {"id", "class", "style", "title", "aria-label", "data-label", "viewbox", "preserveaspectratio", "x", "y", "font-size",
             "textlength", "lengthadjust", "src", "alt", "href", "rowspan", "colspan"}  # fmt: skip
    assert {name for _, attributes in elements.found for name in attributes} <= names
    assert not re.search("[\x00\u202e]", html)
