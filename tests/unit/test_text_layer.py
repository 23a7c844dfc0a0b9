import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ocr_ops.grounding import parse_reply
from ocr_ops.model import ProblemKind, ReplyFormat, Stage
from ocr_ops.text_layer import (
    STAMP_CHARACTERS,
    TextLayer,
    Word,
    is_usable,
    lines_json,
    rows_of,
    segments_of_row,
    text_layer_of,
)

SENTENCE = "Rechnung Nummer 4711 vom 1. Mai 2025 an Beispiel"
PARAGRAPH = [f"Zeile {number} {SENTENCE}" for number in range(12)]


def page_of(draw: Callable[[pymupdf.Page], Any], width: float = 595, height: float = 842) -> pymupdf.Page:
    """A page as `raster` hands it over, written and read again."""
    document = pymupdf.open()
    draw(document.new_page(width=width, height=height))
    page = pymupdf.open(stream=document.tobytes(), filetype="pdf")[0]
    page.remove_rotation()
    return page


def layer_of(draw: Callable[[pymupdf.Page], Any], width: float = 595, height: float = 842) -> TextLayer:
    return text_layer_of(page_of(draw, width, height), 1)


def lines_of(layer: TextLayer) -> list[dict[str, Any]]:
    assert layer.raw is not None
    return list(json.loads(layer.raw.text))


def texts_of(layer: TextLayer) -> list[str]:
    return [line["text"] for line in lines_of(layer)]


def paper(grey: int = 240) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((84, 60), grey, np.uint8)).save(out, "PNG")
    return out.getvalue()


def scan(page: pymupdf.Page) -> None:
    page.insert_image(page.rect, stream=paper())


def print_paragraph(page: pymupdf.Page, **options: Any) -> None:
    for number, line in enumerate(PARAGRAPH):
        page.insert_text((60, 80 + 16 * number), line, **options)


# --- segments -------------------------------------------------------------------------------------------------


def test_cells_of_a_table_row_become_segments_and_words_of_a_phrase_stay_together():
    def draw(page: pymupdf.Page) -> None:
        for x, text in ((60, "2"), (100, "Blue ball pens, box of ten"), (330, "4.50"), (420, "9.00 EUR")):
            page.insert_text((x, 100), text)

    assert texts_of(layer_of(draw)) == ["2", "Blue ball pens, box of ten", "4.50", "9.00 EUR"]


def test_columns_that_nearly_touch_are_parted_where_the_pdf_starts_anew():
    row = [Word("10.00", 0, 0, 30, 10, (0, 0)), Word("12.50", 37, 0, 60, 10, (1, 0))]
    phrase = [Word("Old", 0, 0, 30, 10), Word("Street", 37, 0, 60, 10)]

    assert [len(part) for part in segments_of_row(row)] == [1, 1]
    assert [len(part) for part in segments_of_row(phrase)] == [2]


def test_an_amount_with_a_no_break_space_is_one_segment():
    layer = layer_of(lambda page: page.insert_text((60, 100), "Total TTC de la facture 1\u00a0234,56 EUR"))

    assert texts_of(layer) == ["Total TTC de la facture 1 234,56 EUR"]


def test_reading_order_is_by_line_and_then_by_column_however_the_file_has_it():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((300, 200), "right bottom of page")
        page.insert_text((60, 200), "left bottom of page")
        page.insert_text((300, 100), "right top of page")
        page.insert_text((60, 100.5), "left top of page")

    assert texts_of(layer_of(draw)) == [
        "left top of page",
        "right top of page",
        "left bottom of page",
        "right bottom of page",
    ]


def test_large_type_beside_two_lines_does_not_make_them_one():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 118), "ACME", fontsize=32)
        page.insert_text((300, 104), "12 Harbour Lane", fontsize=9)
        page.insert_text((300, 116), "Springfield 4711", fontsize=9)

    texts = texts_of(layer_of(draw))

    assert sorted(texts) == ["12 Harbour Lane", "ACME", "Springfield 4711"]


def test_label_and_larger_amount_on_one_base_line_are_one_row():
    rows = rows_of([Word("Total", 10, 103, 40, 113), Word("12.34", 200, 95, 260, 115)])

    assert [[word.text for word in row] for row in rows] == [["Total", "12.34"]]


def test_text_up_the_margin_and_across_the_page_is_set_apart_from_the_rows():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((30, 400), "Form 12 printed in Springfield", rotate=90)
        for number in range(4):
            page.insert_text((60, 290 + 20 * number), f"Item {number} of the list")
            page.insert_text((400, 290 + 20 * number), f"{number}.50")

    texts = texts_of(layer_of(draw))

    assert texts[:4] == ["Item 0 of the list", "0.50", "Item 1 of the list", "1.50"]
    assert texts[-1] == "Form 12 printed in Springfield"


def test_a_phrase_set_in_two_fonts_is_one_segment():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), "Invoice number ", fontname="hebo")
        width = pymupdf.get_text_length("Invoice number ", "hebo")
        page.insert_text((60 + width, 100), "4711-2025-0042 of May", fontname="helv")

    assert texts_of(layer_of(draw)) == ["Invoice number 4711-2025-0042 of May"]


words = st.builds(
    lambda text, x, y, width, height: Word(text, x, y, x + width, y + height),
    st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=8),
    st.floats(-50, 600),
    st.floats(-50, 900),
    st.floats(0, 200),
    st.floats(0, 60),
)


@given(st.lists(words, max_size=30))
def test_every_word_is_kept_once_and_every_box_lies_on_the_grid(several: list[Word]):
    lines = json.loads(lines_json(several, 595, 842))

    assert sorted(" ".join(line["text"] for line in lines).split()) == sorted(word.text for word in several)
    for line in lines:
        x1, y1, x2, y2 = line["box"]
        assert 0 <= x1 <= x2 <= 999
        assert 0 <= y1 <= y2 <= 999


# --- places ---------------------------------------------------------------------------------------------------


def test_boxes_lie_on_the_grid_where_the_text_is_printed():
    layer = layer_of(lambda page: page.insert_text((297.5, 421), SENTENCE), width=595, height=842)

    (line,) = lines_of(layer)

    x1, y1, x2, y2 = line["box"]
    length = pymupdf.get_text_length(SENTENCE) * 999 / 595
    assert (x1, x2) == pytest.approx((499.5, 499.5 + length), abs=1.5)
    base_line, size = 499.5, 11 * 999 / 842
    assert y1 == pytest.approx(base_line - size, abs=5)
    assert y2 == pytest.approx(base_line, abs=5)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_page_reads_as_it_is_seen(rotation: int):
    def draw(page: pymupdf.Page) -> None:
        matrix = page.derotation_matrix
        page.set_rotation(rotation)
        matrix = page.derotation_matrix
        for y, text in ((60, "first line of the page"), (90, "second line of the page")):
            page.insert_text(pymupdf.Point(40, y) * matrix, text, rotate=rotation)

    page = page_of(draw, width=400, height=300)
    layer = text_layer_of(page, 1)

    assert texts_of(layer) == ["first line of the page", "second line of the page"]
    x1, y1, _, _ = lines_of(layer)[0]["box"]
    assert x1 == pytest.approx(40 * 999 / page.rect.width, abs=2)
    assert y1 == pytest.approx(50 * 999 / page.rect.height, abs=10)


def test_a_cropped_page_has_its_boxes_on_the_part_that_is_seen():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((210, 320), "inside of the crop box and visible")
        page.insert_text((20, 40), "outside 12.50")
        page.set_cropbox(pymupdf.Rect(200, 300, 500, 600))

    layer = layer_of(draw)

    (line,) = lines_of(layer)
    assert line["text"] == "inside of the crop box and visible"
    assert line["box"][0] == pytest.approx(10 * 999 / 300, abs=2)
    assert layer.problems[0].kind is ProblemKind.HIDDEN_TEXT


def test_the_layer_is_a_reading_that_the_parser_understands():
    layer = text_layer_of(page_of(print_paragraph), 7)

    assert layer.raw is not None
    assert (layer.raw.page, layer.raw.reply_format) == (7, ReplyFormat.LINES)
    assert [block.text for block in parse_reply(layer.raw).blocks] == PARAGRAPH


# --- what a person cannot see ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unseen",
    [{"render_mode": 3}, {"fill_opacity": 0}, {"fontsize": 1}],
    ids=["invisible", "transparent", "tiny"],
)
def test_text_that_nobody_sees_is_dropped_and_reported(unseen: dict[str, Any]):
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 140), "Total 9999", **unseen)

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE]
    (problem,) = layer.problems
    assert (problem.stage, problem.kind, problem.page) == (Stage.OPEN, ProblemKind.HIDDEN_TEXT, 1)
    assert "9 characters" in problem.detail
    assert "9999" not in problem.detail


def test_text_off_the_page_is_dropped_and_reported():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 900), "Total 9999")

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE]
    assert [problem.kind for problem in layer.problems] == [ProblemKind.HIDDEN_TEXT]


def test_hidden_text_over_visible_text_takes_nothing_of_it_away():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 100), "Total 9999 and more to hide the line below it", render_mode=3)

    assert texts_of(layer_of(draw)) == [SENTENCE]


def test_hidden_words_without_a_number_are_left_out_and_no_reason_to_look():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 140), "Powered by a generator, job D/60325/523756", color=(1, 1, 1))

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE]
    assert layer.problems == ()


@pytest.mark.parametrize("grey", [1.0, 0.97], ids=["white", "nearly white"])
def test_text_in_the_colour_of_the_paper_is_dropped_and_reported(grey: float):
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 140), "Total 99.00", color=(grey, grey, grey))

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE]
    assert [problem.kind for problem in layer.problems] == [ProblemKind.HIDDEN_TEXT]


@pytest.mark.parametrize("fill", [(1, 1, 1), (0, 0, 0), (0.4, 0.6, 0.8)], ids=["white", "black", "blue"])
def test_text_under_a_filled_rectangle_is_dropped_and_reported(fill: tuple[float, float, float]):
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 140), "Total 99.00")
        page.draw_rect(pymupdf.Rect(50, 125, 200, 145), color=fill, fill=fill)

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE]
    assert [problem.kind for problem in layer.problems] == [ProblemKind.HIDDEN_TEXT]


def test_of_two_prints_in_one_place_only_the_later_is_read():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 140), "Total 99.00")
        page.draw_rect(pymupdf.Rect(50, 125, 200, 145), color=(1, 1, 1), fill=(1, 1, 1))
        page.insert_text((60, 140), "Total 12.00")

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE, "Total 12.00"]
    assert [problem.kind for problem in layer.problems] == [ProblemKind.HIDDEN_TEXT]


def test_text_under_a_picture_is_dropped_whatever_the_picture_shows():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60, 140), "Total 99.00")
        noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 300), np.uint8))
        out = io.BytesIO()
        noise.save(out, "PNG")
        page.insert_image(pymupdf.Rect(50, 125, 200, 145), stream=out.getvalue(), keep_proportion=False)

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE]
    assert [problem.kind for problem in layer.problems] == [ProblemKind.HIDDEN_TEXT]


def test_white_text_on_a_dark_band_and_grey_text_are_seen():
    def draw(page: pymupdf.Page) -> None:
        page.draw_rect(pymupdf.Rect(50, 80, 560, 110), color=(0, 0, 0.4), fill=(0, 0, 0.4))
        page.insert_text((60, 100), SENTENCE, color=(1, 1, 1))
        page.insert_text((60, 140), "Total 99.00 in pale grey", color=(0.7, 0.7, 0.7))

    layer = layer_of(draw)

    assert texts_of(layer) == [SENTENCE, "Total 99.00 in pale grey"]
    assert layer.problems == ()


def test_the_same_words_printed_twice_are_bold_and_no_cheat():
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((60, 100), SENTENCE)
        page.insert_text((60.3, 100), SENTENCE)

    assert layer_of(draw).problems == ()


def test_alternative_text_does_not_replace_what_is_printed():
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((60, 100), "The amount to be paid is 12.00 EUR")
    (xref,) = page.get_contents()
    content = document.xref_stream(xref)
    tagged = b"/Span <</ActualText (The amount to be paid is 99.00 EUR)>> BDC\n" + content + b"\nEMC\n"
    document.update_stream(xref, tagged)
    again = pymupdf.open(stream=document.tobytes(), filetype="pdf")

    assert texts_of(text_layer_of(again[0], 1)) == ["The amount to be paid is 12.00 EUR"]


def test_ordinary_text_is_no_problem():
    assert layer_of(print_paragraph).problems == ()


# --- whether the layer is the page ----------------------------------------------------------------------------


def test_a_scan_with_an_invisible_ocr_layer_is_read_by_us_and_is_no_cheat():
    def draw(page: pymupdf.Page) -> None:
        scan(page)
        print_paragraph(page, render_mode=3)

    assert layer_of(draw) == TextLayer(None, ())


def test_a_scan_over_its_ocr_text_is_read_by_us():
    def draw(page: pymupdf.Page) -> None:
        print_paragraph(page)
        scan(page)

    assert layer_of(draw) == TextLayer(None, ())


def test_a_scan_in_strips_is_a_scan():
    def draw(page: pymupdf.Page) -> None:
        for top in range(0, 842, 100):
            page.insert_image(pymupdf.Rect(0, top, 595, top + 100), stream=paper(), keep_proportion=False)
        print_paragraph(page, render_mode=3)
        page.insert_text((400, 40), "Eingegangen am 3. Mai 2025")

    assert layer_of(draw) == TextLayer(None, ())


def test_a_stamp_on_a_scan_is_not_the_page():
    def draw(page: pymupdf.Page) -> None:
        scan(page)
        page.insert_text((400, 40), "Eingegangen am 3. Mai 2025, Buchhaltung")

    assert layer_of(draw) == TextLayer(None, ())


def test_a_page_printed_on_a_stationery_picture_is_text():
    def draw(page: pymupdf.Page) -> None:
        scan(page)
        print_paragraph(page)

    assert texts_of(layer_of(draw)) == PARAGRAPH


def test_a_logo_does_not_make_a_page_a_scan():
    def draw(page: pymupdf.Page) -> None:
        page.insert_image(pymupdf.Rect(400, 20, 560, 80), stream=paper(0))
        page.insert_text((60, 100), SENTENCE)

    assert texts_of(layer_of(draw)) == [SENTENCE]


def test_a_page_with_hardly_any_text_has_no_layer():
    assert layer_of(lambda page: page.insert_text((60, 100), "page 1 of 2")) == TextLayer(None, ())


def test_an_empty_page_has_no_layer():
    assert layer_of(lambda page: None) == TextLayer(None, ())


def test_glyphs_of_no_known_character_are_no_layer():
    """A font without a way back to characters, as some printer drivers write them: glyph numbers look like letters."""
    document = pymupdf.open()
    writer = pymupdf.TextWriter(document.new_page().rect)
    writer.append((60, 100), "RechnungsnummerUndLeistungsdatum", font=pymupdf.Font("cjk"))
    writer.write_text(document[0])
    for xref in range(1, document.xref_length()):
        if document.xref_get_key(xref, "ToUnicode")[0] != "null":
            document.xref_set_key(xref, "ToUnicode", "null")
    page = pymupdf.open(stream=document.tobytes(), filetype="pdf")[0]

    assert text_layer_of(page, 1).raw is None


def test_a_layer_is_garbage_from_a_small_share_of_unknown_characters_on():
    def words_of(text: str) -> list[Word]:
        return [Word(text, 0, 0, 10, 10)]

    assert is_usable(words_of("x" * 97 + "\ufffd" * 3), 0)
    assert not is_usable(words_of("x" * 90 + "\ufffd" * 10), 0)
    assert not is_usable(words_of("x" * 90 + "\ue012" * 10), 0)
    assert not is_usable(words_of("x" * 90 + "\x03" * 10), 0)


def test_over_a_picture_a_layer_needs_more_text():
    def usable(characters: int, share: float) -> bool:
        return is_usable([Word("x" * characters, 0, 0, 10, 10)], share)

    assert usable(STAMP_CHARACTERS - 1, 0.3)
    assert not usable(STAMP_CHARACTERS - 1, 0.9)
    assert usable(STAMP_CHARACTERS, 0.9)
