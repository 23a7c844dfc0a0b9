"""Boxes drawn into a page's picture."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ocr_ops.model import Block, GridBox
from ocr_ops.overlay import LONGEST_SIDE, colour_of, draw_overlay

LEFT, RIGHT = GridBox(100, 100, 400, 200), GridBox(600, 600, 900, 700)
BLOCKS = (Block("p001.b001", "text", (LEFT,), "TOTAL"), Block("p001.b002", "table", (RIGHT,), "5,00"))


def picture(width: int = 500, height: int = 1000, mode: str = "RGB", kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), "white" if mode != "1" else 1).save(out, kind)
    return out.getvalue()


def drawn(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image.convert("RGB")


def near(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 24 for a, b in zip(found, wanted, strict=True))


def ink(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    return sum(
        count for count, colour in image.crop(box).getcolors(1 << 16) if not near(colour, (255, 255, 255))
    )


def test_every_box_is_outlined_in_the_colour_of_its_label():
    image = drawn(draw_overlay(picture(), BLOCKS, {}))

    assert near(image.getpixel((100, 100)), colour_of("text"))
    assert near(image.getpixel((400, 601)), colour_of("table"))
    assert near(image.getpixel((250, 400)), (255, 255, 255))


def test_evidence_is_thicker_and_tagged_with_its_field():
    plain = drawn(draw_overlay(picture(), BLOCKS, {}))
    marked = drawn(draw_overlay(picture(), BLOCKS, {"p001.b002": "total"}))

    beside = (230, 590, 296, 710)  # JPEG smears a line over its own 8 x 8 pixels
    assert ink(plain, beside) == 0 < ink(marked, beside)
    outline = (296, 620, 304, 680)
    assert ink(marked, outline) > ink(plain, outline)
    untouched = (0, 0, 250, 300)
    assert ink(plain, untouched) == ink(marked, untouched)


def test_a_tag_hides_no_other_words_when_there_is_room():
    left_of = Block("p001.b003", "text", (GridBox(300, 600, 590, 700),), "zu zahlen")
    marked = drawn(draw_overlay(picture(), (*BLOCKS, left_of), {"p001.b002": "total"}))
    plain = drawn(draw_overlay(picture(), (*BLOCKS, left_of), {}))

    words = (155, 605, 290, 695)
    assert ink(plain, words) == ink(marked, words)


@pytest.mark.parametrize(
    ("size", "expected"), [((3200, 800), (1600, 400)), ((900, 4800), (300, 1600)), ((40, 30), (40, 30))]
)
def test_the_size_is_bounded_and_never_grows(size: tuple[int, int], expected: tuple[int, int]):
    image = drawn(draw_overlay(picture(*size), BLOCKS, {"p001.b001": "total"}))

    assert image.size == expected
    assert max(image.size) <= LONGEST_SIDE


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("RGBA", "PNG"), ("1", "PNG"), ("P", "PNG"), ("CMYK", "JPEG"), ("RGB", "WEBP")],
)
def test_pictures_of_every_kind_are_drawn_on(mode: str, kind: str):
    image = drawn(draw_overlay(picture(mode=mode, kind=kind), BLOCKS, {}))

    assert ink(image, (95, 95, 210, 210)) > 0


@pytest.mark.parametrize(
    "box",
    [GridBox(0, 0, 0, 0), GridBox(999, 999, 999, 999), GridBox(0, 0, 999, 999), GridBox(500, 0, 500, 999)],
)
def test_boxes_without_area_and_at_the_edge_are_drawn(box: GridBox):
    data = draw_overlay(picture(60, 40), (Block("p001.b001", "发票", (box,), ""),), {"p001.b001": "x" * 500})

    assert drawn(data).size == (60, 40)


def test_a_block_without_boxes_draws_nothing():
    block = Block("p001.b001", "text", (), "floating")

    assert draw_overlay(picture(), (block,), {"p001.b001": "total"}) == draw_overlay(picture(), (), {})


def test_a_label_always_has_the_same_colour():
    assert colour_of("stamp") == colour_of("stamp") != colour_of("seal")
    assert colour_of("TEXT") == colour_of("text")
