"""Lines at known places of a page's picture, read by the recogniser alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr_ops.engines import line_reader
from ocr_ops.engines.line_reader import LineReader
from ocr_ops.engines.lines import decoded, glance, read_lines
from ocr_ops.engines.rapid import DETECTOR_FILE
from ocr_ops.errors import TerminalError
from ocr_ops.model import PixelBox

TEXTS = ("1.234,56", "17.03.2024", "RE-2024-0817", "Total amount to be paid within fourteen days", "98,70")


def page(mode: str) -> tuple[bytes, list[PixelBox]]:
    """A picture of one text a line, and where each stands."""
    picture, boxes = Image.new(mode, (800, 320), "white"), []
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(28)
    for place, text in enumerate(TEXTS):
        left, top, right, bottom = draw.textbbox((40, 20 + 60 * place), text, font=font)
        draw.text((40, 20 + 60 * place), text, fill="black", font=font)
        boxes.append(PixelBox(int(left), int(top) - 4, int(right) + 1, int(bottom) + 4))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue(), boxes


@pytest.mark.ocr
def test_lines_read_together_are_read_as_each_would_be_alone():
    data, boxes = page("L")
    boxes.insert(2, PixelBox(900, 900, 950, 950))
    picture = decoded(data)

    together = read_lines(picture, boxes)

    assert together == [read_lines(picture, [box])[0] for box in boxes]
    assert [text.replace(" ", "") for text in together if text] == [text.replace(" ", "") for text in TEXTS]


@pytest.mark.ocr
def test_a_glance_reads_values_as_a_whole_look_does():
    data, boxes = page("L")
    boxes.insert(2, PixelBox(900, 900, 950, 950))
    picture = decoded(data)

    assert [text.replace(" ", "") for text in glance(picture, boxes)] == [
        text.replace(" ", "") for text in (*TEXTS[:2], "", *TEXTS[2:])
    ]
    assert glance(picture, []) == []


@pytest.mark.ocr
def test_a_glance_at_paper_shows_nothing():
    picture = decoded(page("L")[0])

    assert glance(picture, [PixelBox(600, 20, 700, 50)]) == [""]


@pytest.mark.ocr
def test_a_glance_tells_numbers_apart_that_differ_in_one_digit():
    texts = [f"{digit}.{other}34,5{digit}" for digit in range(1, 10) for other in range(0, 10, 3)]
    picture, boxes = np.full((50 * len(texts), 300), 255, np.uint8), []
    for n, text in enumerate(texts):
        row = Image.new("L", (300, 50), "white")
        ImageDraw.Draw(row).text((30, 10), text, fill="black", font=ImageFont.load_default(28))
        picture[50 * n : 50 * n + 50] = np.asarray(row)
        boxes.append(PixelBox(28, 50 * n + 6, 160, 50 * n + 44))

    assert [text.replace(" ", "") for text in glance(picture, boxes)] == texts


@pytest.mark.ocr
def test_a_grey_picture_is_read_like_the_same_in_three_channels():
    data, boxes = page("L")
    grey = decoded(data)

    assert grey.shape == (320, 800)
    assert decoded(page("RGB")[0]).shape == (320, 800, 3)
    assert read_lines(np.repeat(grey[..., None], 3, axis=2), boxes) == read_lines(grey, boxes)


@pytest.mark.ocr
@pytest.mark.parametrize("quick", [False, True])
def test_a_model_that_is_no_recogniser_is_terminal(quick: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(line_reader, "RECOGNISER_FILE", DETECTOR_FILE)

    with pytest.raises(TerminalError, match="does not say its letters"):
        LineReader(quick=quick)


def test_bytes_that_are_no_picture_are_refused():
    for data in (b"", b"no picture"):
        with pytest.raises(ValueError, match="no picture"):
            decoded(data)
