"""Replies become blocks with places; what has no place is kept as stray."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.codec import to_json
from ocr_ops.grounding import looks_stripped, parse_reply, parse_stripped
from ocr_ops.model import Block, GridBox, Parsed, RawPage, ReplyFormat

BOX = GridBox(1, 2, 3, 4)


def raw(text: str, reply_format: ReplyFormat = ReplyFormat.GROUNDING, page: int = 1) -> RawPage:
    return RawPage(page, "vllm", "deepseek-ocr", "1", reply_format, text)


def parse(text: str) -> Parsed:
    return parse_reply(raw(text))


def lines(value: Any) -> Parsed:
    text = value if isinstance(value, str) else json.dumps(value)
    return parse_reply(raw(text, ReplyFormat.LINES))


def region(label: str, text: str = "", boxes: str = "[[1, 2, 3, 4]]") -> str:
    return f"<|ref|>{label}<|/ref|><|det|>{boxes}<|/det|>\n{text}\n"


def test_regions_become_blocks_in_order():
    parsed = parse(
        region("title", "# ALDI") + region("text", "Pohlweg 110\n33100 Paderborn") + region("image")
    )

    assert parsed == Parsed((
        Block("p001.b001", "title", (BOX,), "# ALDI"),
        Block("p001.b002", "text", (BOX,), "Pohlweg 110\n33100 Paderborn"),
        Block("p001.b003", "image", (BOX,), ""),
    ))  # fmt: skip


def test_ids_carry_the_page():
    assert parse_reply(raw(region("text", "a"), page=12)).blocks[0].id == "p012.b001"


def test_a_region_may_have_many_boxes():
    (block,) = parse(region("text", "a", "[[1,2,3,4], [ 5 , 6.5,\n7,8 ]]")).blocks

    assert block.boxes == (BOX, GridBox(5, 6.5, 7, 8))


def test_a_single_bracket_is_enough():
    assert parse(region("text", "a", "[1, 2, 3, 4]")).blocks[0].boxes == (BOX,)


@pytest.mark.parametrize("boxes", ["[[1, 2, 3]]", "[]", "", "[[1,2,3,4,5]]", "[[a,b,c,d]]", "[[1,2,3,1684]]"])
def test_a_region_without_a_good_box_is_stray_with_its_text(boxes: str):
    parsed = parse(region("text", "hello", boxes))

    assert parsed.blocks == ()
    assert parsed.stray == (f"{f'text {boxes}'.strip()}\nhello",)


def test_a_bad_box_among_good_ones_is_stray_alone():
    parsed = parse(region("text", "hello", "[[1,2,3,4],[5,6,7]]"))

    assert parsed == Parsed((Block("p001.b001", "text", (BOX,), "hello"),), ("5,6,7",))


def test_a_little_beyond_the_grid_is_clipped_and_corners_are_put_in_order():
    (block,) = parse(region("text", "a", "[[1000, 1024, -3, 0]]")).blocks

    assert block.boxes == (GridBox(0, 0, 999, 999),)


@pytest.mark.parametrize(
    "text",
    [
        "<|ref|>text<|det|>[[1,2,3,4]]<|/det|>hello",
        "<|ref|>text<|/ref|><|det|>[[1,2,3,4]]\nhello",
        "<|ref|>text<|det|>[[1,2,3,4]] hello",
        "<|ref|>text<|/ref|> \n <|det|> [[1,2,3,4]] <|/det|><|/det|>hello<|/ref|>",
        "<| ref |>text<| /ref |><｜det｜>[[1,2,3,4]]<|/det|>hello<｜end▁of▁sentence｜>",
        "<|det|>[[1,2,3,4]]<|/det|>hello",
    ],
)
def test_damaged_markers_still_give_the_block(text: str):
    assert parse(text) == Parsed((Block("p001.b001", "text", (BOX,), "hello"),))


def test_text_before_the_first_region_is_stray():
    assert parse("Sure, here it is:\n" + region("text", "a")).stray == ("Sure, here it is:",)


def test_text_between_label_and_boxes_is_stray():
    parsed = parse("<|ref|>text<|/ref|>oops<|det|>[[1,2,3,4]]<|/det|>a")

    assert (parsed.blocks[0].text, parsed.stray) == ("a", ("oops",))


def test_a_page_split_ends_the_block():
    parsed = parse(region("text", "a") + "<--- Page Split --->\nwhose is this?" + region("text", "b"))

    assert [b.text for b in parsed.blocks] == ["a", "b"]
    assert parsed.stray == ("whose is this?",)


def test_a_label_that_is_no_layout_word_is_the_text():
    parsed = parse(region("TOTAL 12,50") + region("Invoice No", boxes="[[1,2,3,4],[1,2,3,4]]"))

    assert [(b.label, b.text) for b in parsed.blocks] == [("text", "TOTAL 12,50"), ("text", "Invoice No")]


def test_an_unknown_label_with_text_stays_a_label():
    assert parse(region("watermark", "COPY")).blocks[0].label == "watermark"


def test_markup_is_not_evaluated():
    text = "[[__import__('os').system('true')]]"

    assert parse(region("text", "a", text)).stray == (f"text {text}\na",)


def test_nested_regions_lose_no_word():
    parsed = parse("<|ref|>outer<|ref|>inner<|/ref|><|det|>[[1,2,<|det|>[[1,2,3,4]]<|/det|>body")

    assert [b.text for b in parsed.blocks] == ["body"]
    assert parsed.stray == ("outer", "inner [[1,2,")


def test_characters_nothing_can_store_are_replaced():
    (block,) = parse(region("text", "a\x00b\ud800c")).blocks

    assert block.text == "a\ufffdb\ufffdc"
    assert to_json(block)


# --- lines ------------------------------------------------------------------------------------------------------


def test_lines_become_blocks_with_scores():
    parsed = lines(
        [{"text": "TOTAL", "box": [1, 2, 3, 4], "score": 0.9}, {"text": "5,00", "box": [1.5, 2, 3, 4]}]
    )

    assert parsed == Parsed((
        Block("p001.b001", "text", (BOX,), "TOTAL", 0.9),
        Block("p001.b002", "text", (GridBox(1.5, 2, 3, 4),), "5,00", None),
    ))  # fmt: skip


def test_lines_without_text_are_nothing():
    assert lines([{"text": "  ", "box": [1, 2, 3, 4]}]) == Parsed(())


@pytest.mark.parametrize(
    "item",
    [
        {"text": "word"}, {"text": "word", "box": None}, {"text": "word", "box": [1, 2, 3]}, ["word"], "word",
        {"text": "word", "box": [1, 2, 3, "4"]}, {"text": "word", "box": [1, 2, 3, True]}, {"word": None},
        {"text": "word", "box": [1, 2, 3, 1e300]}, {"text": ["word"]}, {"text": "word", "box": [1, 2, 3, float("nan")]},
    ],
)  # fmt: skip
def test_an_item_not_as_agreed_is_stray_and_the_rest_is_read(item: Any):
    parsed = lines([item, {"text": "good", "box": [1, 2, 3, 4]}])

    assert [b.text for b in parsed.blocks] == ["good"]
    assert "word" in parsed.stray[0]


@pytest.mark.parametrize(
    "text", ["", "[", '{"text": "a"}', "null", '[{"text": "a"', "[" * 200_000, "9" * 5000, "hello"]
)
def test_what_is_no_array_is_stray(text: str):
    assert lines(text) == Parsed((), (text,) if text else ())


@pytest.mark.parametrize(
    ("said", "score"), [(1.7, 1.0), (-1, 0.0), (None, None), ("0.9", None), (True, None)]
)
def test_scores_are_bounded(said: Any, score: float | None):
    assert lines([{"text": "a", "box": [1, 2, 3, 4], "score": said}]).blocks[0].score == score


# --- the stripped form ------------------------------------------------------------------------------------------

STRIPPED = "image[[338, 262, 597, 390]]\ntext[[440, 297, 506, 316]]\nTAXI\ntext[[341, 624, 613, 649]]\n上车 **1228** 22:**20**\n"


def test_a_stripped_reply_is_recognised_and_read_for_diagnosis():
    assert looks_stripped(STRIPPED)
    assert [(b.label, b.text) for b in parse_stripped(STRIPPED, 1).blocks] == [
        ("image", ""), ("text", "TAXI"), ("text", "上车 **1228** 22:**20**"),
    ]  # fmt: skip


def test_a_stripped_reply_read_as_grounded_is_all_stray():
    assert parse(STRIPPED) == Parsed((), (STRIPPED.strip(),))


@pytest.mark.parametrize(
    "text", ["", "TOTAL 5,00", region("text", "a"), "see [1] and [[x]]", region("text") + STRIPPED]
)
def test_other_replies_do_not_look_stripped(text: str):
    assert not looks_stripped(text)


# --- total on anything ------------------------------------------------------------------------------------------

PIECES = (
    "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "[[1,2,3,4]]", "[[", "]]", "[1,2,3,", "[1,2,3]", "text", "Grüße", "发票",
    "\n", " ", "<|", "|>", "<--- Page Split --->", "<", "|", "ref", "title[[1,2,3,4]]\n", "<td>", "&#9", "\x00", "[[-9,9,9,9]]",
    "<｜end▁of▁sentence｜>", "-1", "99999999999", "<|grounding|>", "\u2028", "\u202e",
)  # fmt: skip
MARKS = re.compile(r"<[|｜] ?/?(?:ref|det|grounding|end▁of▁sentence) ?[|｜]>|<--- Page Split --->")


def words_of(parsed: Parsed) -> Counter[str]:
    words = Counter[str]()
    for block in parsed.blocks:
        words.update(block.label + block.text)
    words.update("".join(parsed.stray))
    return words


def letters_in(text: str) -> Counter[str]:
    """Every character that says something and is no part of a box."""
    return Counter(
        c for c in text.replace("\x00", "\ufffd") if not c.isspace() and c not in "[],.-0123456789"
    )


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map("".join)))
def test_no_word_is_lost(text: str):
    parsed = parse(text)

    assert not letters_in(MARKS.sub("", text)) - words_of(parsed)
    assert all(block.boxes for block in parsed.blocks)
    assert all(
        0 <= n <= 999 for b in parsed.blocks for box in b.boxes for n in (box.x1, box.y1, box.x2, box.y2)
    )


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_word_of_a_stripped_reply_is_lost(text: str):
    assert not letters_in(text) - words_of(parse_stripped(text, 1))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_is_an_answer(value: Any):
    parsed = lines(value)

    assert all(block.text.strip() and block.boxes for block in parsed.blocks)


@given(st.text())
def test_any_text_is_an_answer_for_lines(text: str):
    parsed = lines(text)

    assert parsed.blocks or parsed.stray or not text.strip() or text.strip(" \t\r\n").startswith("[")


NASTY = (*PIECES, "<|ref|>a<|/ref|><|det|>[[1,2,3,4]]<|/det|>b", "<|ref|>a<|/ref|><|det|>[[1,2,3,4],", "[1,2,3,4],", "[1,2,3,",
         "<|det|>[[", "[ ", "[1 ", "<-", "<---", "text[[1,2,3,4],", "a[[", '[{"text":', '{"a":', "[1,2,3,4]")  # fmt: skip


@pytest.mark.parametrize("piece", NASTY)
@pytest.mark.parametrize("head", ["", "<|ref|>text<|/ref|><|det|>[["])
def test_a_long_run_of_nasty_pieces_is_an_answer(piece: str, head: str):
    text = head + piece * (60_000 // len(piece))

    assert isinstance(parse(text), Parsed)
    assert isinstance(lines(text), Parsed)
    assert isinstance(parse_stripped(text, 1), Parsed)
    assert looks_stripped(text) in (True, False)


def test_text_without_places_is_one_block_over_the_whole_page() -> None:
    [block] = parse_reply(RawPage(3, "e", "m", "1", ReplyFormat.TEXT, "\n# Bill\n\nTotal 9.00\n")).blocks

    assert (block.id, block.text, block.boxes) == (
        "p003.b001",
        "# Bill\n\nTotal 9.00",
        (GridBox(0, 0, 999, 999),),
    )
    assert parse_reply(RawPage(3, "e", "m", "1", ReplyFormat.TEXT, " \n")).blocks == ()


def test_places_that_nobody_asked_for_are_taken_all_the_same() -> None:
    text = "<|ref|>Total<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>"
    [block] = parse_reply(RawPage(1, "e", "m", "1", ReplyFormat.TEXT, text)).blocks

    assert (block.text, block.boxes) == ("Total", (GridBox(1, 2, 3, 4),))
