"""The embedded engine on pictures drawn here, read by the real models."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr_ops.codec import digest_of
from ocr_ops.engines import orientation, rapid
from ocr_ops.engines.embedded import EmbeddedEngine, EmbeddedOptions
from ocr_ops.engines.reading_order import reading_order, skew
from ocr_ops.errors import TerminalError
from ocr_ops.geometry import to_grid, turned
from ocr_ops.model import GridBox, PageImage, PixelSize, RawPage, ReplyFormat

ROWS = (
    ("HARBOUR STREET BAKERY", "", 40),
    ("12 Mill Lane, Dublin", "", 110),
    ("Wholemeal bread", "4.50", 180),
    ("Blueberry muffin", "13.75", 250),
    ("Sparkling water", "2.80", 320),
    ("Subtotal before tax", "21.05", 390),
    ("GRAND TOTAL", "23.68", 460),
    ("Thank you for your visit", "", 530),
)


@dataclass(frozen=True)
class Line:
    text: str
    box: GridBox
    score: float


def receipt() -> Image.Image:
    picture = Image.new("RGB", (640, 620), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(30)
    for left, right, top in ROWS:
        draw.text((40, top), left, "black", font)
        draw.text((600, top), right, "black", font, anchor="ra")
    return picture


def turned_clockwise(picture: Image.Image, degrees: int) -> Image.Image:
    return picture.rotate(-degrees, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)


def read(picture: Image.Image, engine: EmbeddedEngine | None = None, number: int = 1) -> RawPage:
    data = io.BytesIO()
    picture.save(data, "PNG")
    page = PageImage(number, digest_of(data.getvalue()), "image/png", PixelSize(*picture.size))
    return asyncio.run((engine or EmbeddedEngine()).read(page, data.getvalue()))


def lines_of(reply: RawPage) -> list[Line]:
    items: list[dict[str, Any]] = json.loads(reply.text)
    return [Line(i["text"], GridBox(*i["box"]), i["score"]) for i in items]


def printed() -> list[str]:
    return [text for left, right, _ in ROWS for text in (left, right) if text]


def quads(*boxes: tuple[float, float, float, float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    corners = [[(x1, y1), (x2, y1), (x2, y2), (x1, y2)] for x1, y1, x2, y2 in boxes]
    return np.array(corners, np.float32).reshape(-1, 4, 2)


@pytest.mark.ocr
def test_a_receipt_is_read_letter_by_letter_in_reading_order() -> None:
    reply = read(receipt(), number=3)

    assert printed() == [line.text for line in lines_of(reply)]
    assert (reply.page, reply.engine, reply.reply_format, reply.turn) == (3, "embedded", ReplyFormat.LINES, 0)
    assert reply.seconds > 0


@pytest.mark.ocr
def test_boxes_lie_on_the_printed_words() -> None:
    line = next(line for line in lines_of(read(receipt())) if line.text == "23.68")
    size = ImageFont.load_default(30).getbbox("23.68")
    ink = to_grid(600 - (size[2] - size[0]), 460 + size[1], 600, 460 + size[3], 640, 620)

    assert ink.x1 - 20 < line.box.x1 < ink.x1 + 5 and ink.x2 - 5 < line.box.x2 < ink.x2 + 20
    assert ink.y1 - 20 < line.box.y1 < ink.y1 + 5 and ink.y2 - 5 < line.box.y2 < ink.y2 + 20


@pytest.mark.ocr
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_page_reads_the_same_and_says_how_it_was_turned_back(degrees: int) -> None:
    upright = lines_of(read(receipt()))
    reply = read(turned_clockwise(receipt(), degrees))

    assert 360 - degrees == reply.turn
    assert printed() == [line.text for line in lines_of(reply)]
    for here, there in zip(lines_of(reply), upright, strict=True):
        assert abs(here.box.x1 - there.box.x1) < 12 and abs(here.box.y2 - there.box.y2) < 12


@pytest.mark.ocr
def test_the_turn_takes_boxes_of_the_sent_picture_to_boxes_of_the_reply() -> None:
    upright = next(line for line in lines_of(read(receipt())) if line.text == "GRAND TOTAL")
    reply = read(turned_clockwise(receipt(), 90))
    on_sent_picture = turned(upright.box, 90)

    back = turned(on_sent_picture, reply.turn)
    found = next(line for line in lines_of(reply) if line.text == "GRAND TOTAL")
    assert abs(back.x1 - found.box.x1) < 12 and abs(back.y1 - found.box.y1) < 12


@pytest.mark.ocr
@pytest.mark.parametrize("degrees", [-3, 3])
def test_a_page_photographed_askew_keeps_amounts_with_their_lines(degrees: int) -> None:
    assert printed() == [line.text for line in lines_of(read(turned_clockwise(receipt(), degrees)))]


@pytest.mark.ocr
def test_a_single_thin_digit_is_read_upright() -> None:
    picture = receipt()
    ImageDraw.Draw(picture).text((420, 180), "1", "black", ImageFont.load_default(30))

    assert "1" in [line.text for line in lines_of(read(picture))]


@pytest.mark.ocr
def test_small_type_on_a_full_page_is_found() -> None:
    picture = Image.new("RGB", (1654, 2339), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(22)
    wanted = [f"Article number {n} delivered to warehouse {n + 7}" for n in range(10, 30)]
    for n, text in enumerate(wanted):
        draw.text((120, 200 + 90 * n), text, "black", font)

    assert wanted == [line.text for line in lines_of(read(picture))]


@pytest.mark.ocr
@pytest.mark.parametrize("size", [(600, 800), (1, 1), (3000, 20)])
def test_a_page_without_text_is_an_empty_answer(size: tuple[int, int]) -> None:
    reply = read(Image.new("RGB", size, "white"))

    assert (reply.text, reply.turn, reply.finish_reason) == ("[]", 0, "stop")


@pytest.mark.ocr
def test_grey_and_transparent_pictures_are_read_too() -> None:
    for mode in ("L", "RGBA"):
        assert printed() == [line.text for line in lines_of(read(receipt().convert(mode)))]


@pytest.mark.ocr
def test_nothing_but_the_wheel_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the embedded engine opened a connection")

    monkeypatch.setattr("ocr_ops.engines.embedded._models", {})
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    line = rapid.Models().read(rapid.cut(np.asarray(receipt()), quads((30, 30, 460, 80))[0]))

    assert line.text == "HARBOUR STREET BAKERY"


@pytest.mark.ocr
def test_pages_read_at_once_do_not_disturb_each_other() -> None:
    async def both() -> list[RawPage]:
        data = io.BytesIO()
        receipt().save(data, "PNG")
        page = PageImage(1, digest_of(data.getvalue()), "image/png", PixelSize(640, 620))
        engine = EmbeddedEngine()
        replies = await asyncio.gather(*(engine.read(page, data.getvalue()) for _ in range(3)))
        await engine.close()
        return list(replies)

    assert len({reply.text for reply in asyncio.run(both())}) == 1


def test_bytes_that_are_no_picture_are_a_programming_error() -> None:
    page = PageImage(1, digest_of(b""), "image/png", PixelSize(1, 1))
    for data in (b"", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n torn"):
        with pytest.raises(ValueError, match="no picture"):
            asyncio.run(EmbeddedEngine().read(page, data))


def test_a_missing_model_is_terminal_and_named() -> None:
    with pytest.raises(TerminalError, match=r"PP-OCRv9\.onnx"):
        rapid.model_path("PP-OCRv9.onnx")


def test_identity_holds_what_decides_a_reply_and_not_the_threads() -> None:
    two, all_of_them = EmbeddedEngine(EmbeddedOptions(threads=2)), EmbeddedEngine()

    assert two.identity == all_of_them.identity
    assert two.identity != EmbeddedEngine(EmbeddedOptions(min_score=0.7)).identity
    assert {"engine", "model", "version", "backend"} <= set(two.identity)


@pytest.mark.parametrize("options", [{"threads": -1}, {"min_score": 1.5}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="threads"):
        EmbeddedOptions(**options)


def test_a_blank_the_recogniser_nearly_saw_is_kept() -> None:
    letters = ["blank", "a", "b", " "]
    sure, between, hesitant = [0, 0.9, 0, 0.1], [0.9, 0, 0, 0], [0.7, 0, 0, 0.3]

    assert rapid.spell(np.array([sure, between, sure], np.float32), letters).text == "aa"
    assert rapid.spell(np.array([sure, hesitant, sure], np.float32), letters).text == "a a"
    assert rapid.spell(np.array([sure, sure, hesitant], np.float32), letters).text == "a"
    assert rapid.spell(np.array([between], np.float32), letters) == rapid.Line("", 0.0)


def test_lines_on_top_of_each_other_never_share_a_row() -> None:
    first, second, amount = (120, 5, 300, 35), (120, 20, 300, 50), (400, 6, 480, 34)

    assert reading_order(quads(second, amount, first)) == [2, 1, 0]


def test_rows_of_a_skewed_page_follow_its_own_lines() -> None:
    angle = np.radians(3)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    level = quads((0, 0, 300, 30), (700, 0, 900, 30), (0, 40, 300, 70), (700, 40, 900, 70))
    askew = level @ turn

    assert pytest.approx(skew(askew), abs=0.1) == 3.0
    assert reading_order(askew) == [0, 1, 2, 3]


def test_no_boxes_have_no_order_no_skew_and_no_side() -> None:
    none = quads()

    assert (
        reading_order(none),
        skew(none),
        orientation.is_sideways(none),
        orientation.sample(none),
    ) == ([], 0.0, False, [])


def test_one_vertical_stamp_does_not_turn_a_page() -> None:
    page = quads((0, 0, 400, 30), (0, 40, 400, 70), (450, 0, 480, 300))

    assert not orientation.is_sideways(page)
    assert orientation.is_sideways(quads((450, 0, 480, 300), (500, 0, 530, 400)))
