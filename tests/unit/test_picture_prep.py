"""What is done to a page before it is shown is undone in every box: each word is found again where it was printed."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from ocr_ops.codec import digest_of
from ocr_ops.geometry import through, to_pixels, turned_back
from ocr_ops.model import (
    GRID_MAX,
    Digest,
    GridBox,
    PageImage,
    PixelBox,
    PixelSize,
    RawPage,
    ReadPage,
    ReplyFormat,
    SourceDocument,
)
from ocr_ops.ocr import read_pages
from ocr_ops.picture_prep import Preparation, prepare, quarter_turn, sheet_corners
from ocr_ops.raster import open_document
from ocr_ops.settings import Limits

UPRIGHT = Preparation(upright=True)
MARKS: tuple[tuple[int, int, int], ...] = (
    (230, 20, 20),
    (20, 180, 20),
    (30, 60, 230),
    (220, 30, 220),
    (10, 190, 200),
)
WORDS = ("Wholemeal bread 4.50", "Blueberry muffin 13.75", "Sparkling water 2.80", "Subtotal before tax", "Thank you, come again")  # fmt: skip


PAPER = (250, 250, 250)


def printed(width: int, height: int) -> tuple[Image.Image, tuple[PixelBox, ...]]:
    """A page of lines of text with five coloured words at known places."""
    picture = Image.new("RGB", (width, height), (250, 250, 250))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(24)
    for line, top in enumerate(range(30, height - 60, 48)):
        draw.text((40, top), WORDS[line % len(WORDS)], "black", font)
    places = []
    for number, colour in enumerate(MARKS):
        x, y = width - 170 + 7 * number, 50 + round((height - 200) * number / 4.1)
        draw.rectangle((x, y, x + 89, y + 29), fill=colour)
        places.append(PixelBox(x, y, x + 90, y + 30))
    return picture, tuple(places)


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


class Seer:
    """Says where it sees each colour in the very picture that it is shown, in whole steps of the grid, as a model does."""

    longest_ratio = 6.0
    identity = {"engine": "seer"}  # noqa: RUF012

    def __init__(self) -> None:
        self.shown: list[bytes] = []

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        self.shown.append(picture)
        pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
        height, width = pixels.shape[:2]
        assert page.size == PixelSize(width, height)
        said = []
        for number, colour in enumerate(MARKS):
            ys, xs = np.nonzero(np.abs(pixels - colour).max(axis=2) < 60)
            if len(xs) > 60:
                near = (xs.min() / width, ys.min() / height, (xs.max() + 1) / width, (ys.max() + 1) / height)
                box = [round(value * GRID_MAX) for value in near]
                said.append(
                    f"<|ref|>text<|/ref|><|det|>[{box}]<|/det|>\nmark number {number} {'abcde'[number] * 9}"
                )
        return RawPage(page.number, "seer", "m", "1", ReplyFormat.GROUNDING, "\n".join(said))

    async def close(self) -> None:
        pass


@dataclass
class Store:
    raws: list[RawPage]
    pictures: dict[str, bytes]


def read(data: bytes, media_type: str, wanted: Preparation = UPRIGHT) -> tuple[ReadPage, Seer, Store]:
    """Open and read one picture file as the pipeline does."""
    document = SourceDocument("file:///x", "x", digest_of(data), media_type, len(data))
    with open_document(document, data, Limits()) as opened:
        (sheet,) = opened.pages
    assert sheet.image is not None
    seer, store = Seer(), Store([], {})

    def keep(raw: RawPage) -> Digest:
        store.raws.append(raw)
        return digest_of(raw.text.encode())

    def keep_picture(picture: bytes) -> Digest:
        store.pictures[digest_of(picture)] = picture
        return digest_of(picture)

    pages = [(sheet.image, sheet.picture)]
    reading = read_pages(
        seer,
        pages,
        in_flight=1,
        keep=keep,
        keep_picture=keep_picture,
        preparation=wanted,
    )
    (page,) = asyncio.run(reading)
    return page, seer, store


def marks_of(page: ReadPage) -> dict[int, GridBox]:
    return {int(block.text.split()[2]): block.boxes[0] for block in page.blocks}


def assert_there(page: ReadPage, places: Sequence[PixelBox], seen: PixelSize, extra: float = 0.0) -> None:
    """Every mark at its place on the page as it came in: off by half a grid step of the shown picture and `extra` pixels."""
    upright = page.image.size
    size = PixelSize(upright.height, upright.width) if page.image.turn in (90, 270) else upright
    reach = 0.5 * max(seen.width, seen.height) / GRID_MAX + 0.03 + extra
    marks = marks_of(page)
    assert sorted(marks) == list(range(len(places)))
    for number, place in enumerate(places):
        box = turned_back(marks[number], page.image.turn)
        kx, ky = size.width / GRID_MAX, size.height / GRID_MAX
        found = (box.x1 * kx, box.y1 * ky, box.x2 * kx, box.y2 * ky)
        wanted = (place.x1, place.y1, place.x2, place.y2)
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= reach


def turned_places(places: Sequence[PixelBox], degrees: int, width: int, height: int) -> list[PixelBox]:
    matrix = quarter_turn(degrees, width, height)
    moved = []
    for box in places:
        corners = matrix @ np.array([[box.x1, box.x2], [box.y1, box.y2], [1, 1]])
        xs, ys = sorted(corners[0].round().astype(int)), sorted(corners[1].round().astype(int))
        moved.append(PixelBox(int(xs[0]), int(ys[0]), int(xs[1]), int(ys[1])))
    return moved


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_page_lying_any_way_is_shown_upright_and_its_boxes_come_back_to_the_pixel(degrees: int) -> None:
    picture, places = printed(800, 1000)
    lying = picture.rotate(-degrees, expand=True)

    page, seer, store = read(encoded(lying), "image/png")

    shown = np.asarray(Image.open(io.BytesIO(seer.shown[0])).convert("RGB"))
    assert np.array_equal(shown, np.asarray(picture))
    assert page.image.turn == (360 - degrees) % 360
    assert (page.image.size.width, page.image.size.height) == (800, 1000)
    assert_there(page, turned_places(places, degrees, 800, 1000), PixelSize(800, 1000))
    if degrees:
        assert store.raws[0].prepared is not None
        assert store.raws[0].prepared.steps == (f"turn {360 - degrees}",)
        assert store.pictures[store.raws[0].sent or ""] == seer.shown[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_whatever_the_camera_says_boxes_are_those_of_the_page_as_it_is_looked_at(orientation: int) -> None:
    picture, places = printed(800, 1000)
    stored = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = picture
    for step in stored.get(orientation, []):
        lying = lying.transpose(step)

    page, seer, _ = read(encoded(lying, "JPEG", quality=98, subsampling=0, exif=exif), "image/jpeg")

    assert page.image.turn == 0
    assert Image.open(io.BytesIO(seer.shown[0])).size == (800, 1000)
    assert_there(page, places, PixelSize(800, 1000), extra=1.0)


@pytest.mark.parametrize(("degrees", "turn"), [(-6.0, 0), (-1.5, 180), (0.8, 90), (3.0, 270)])
def test_a_page_askew_is_shown_level_and_its_boxes_hold_the_words_where_they_were(
    degrees: float, turn: int
) -> None:
    picture, places = printed(800, 1000)
    askew = picture.rotate(-degrees, resample=Image.Resampling.BICUBIC, fillcolor=(250, 250, 250))
    lying = askew.rotate(-turn, expand=True)

    page, _, store = read(encoded(lying), "image/png")

    prepared = store.raws[0].prepared
    assert prepared is not None
    (level,) = [float(step.split()[1]) for step in prepared.steps if step.startswith("level")]
    assert abs(level - degrees) <= 0.3
    back = np.linalg.inv(np.array(prepared.to_page).reshape(3, 3))
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    for number, place in enumerate(places):
        seen = corners_moved(
            place,
            lambda x, y: (400 + cos * (x - 400) - sin * (y - 500), 500 + sin * (x - 400) + cos * (y - 500)),
        )
        on_shown = [tuple((back @ [x, y, 1])[:2]) for x, y in seen]
        xs, ys = [x for x, _ in on_shown], [y for _, y in on_shown]
        box = GridBox(
            min(xs) * GRID_MAX / prepared.size.width, min(ys) * GRID_MAX / prepared.size.height,
            max(xs) * GRID_MAX / prepared.size.width, max(ys) * GRID_MAX / prepared.size.height,
        )  # fmt: skip
        wanted = through(box, prepared.to_page, prepared.size, page.image.size)
        found = marks_of(page)[number]
        kx, ky = page.image.size.width / GRID_MAX, page.image.size.height / GRID_MAX
        off = max(abs(found.x1 - wanted.x1) * kx, abs(found.x2 - wanted.x2) * kx, abs(found.y1 - wanted.y1) * ky, abs(found.y2 - wanted.y2) * ky)  # fmt: skip
        assert off <= 2.0


def corners_moved(place: PixelBox, move: object) -> list[tuple[float, float]]:
    assert callable(move)
    return [move(x, y) for x, y in itertools.product((place.x1, place.x2), (place.y1, place.y2))]


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_words_of_a_long_page_read_in_parts_come_back_to_the_page_as_it_came(degrees: int) -> None:
    picture, places = printed(520, 4200)
    lying = picture.rotate(-degrees, expand=True)

    page, seer, store = read(encoded(lying), "image/png", UPRIGHT)

    assert len(seer.shown) > 1
    assert all(digest_of(one) in store.pictures for one in seer.shown)
    assert [raw.sent for raw in store.raws] == [digest_of(one) for one in seer.shown]
    assert_there(page, turned_places(places, degrees, 520, 4200), PixelSize(520, 1700))


STRIP = Preparation(upright=True, widest=6.0)


@pytest.mark.parametrize(("width", "turn"), [(1800, 0), (1800, 90), (1800, 270), (7200, 0)])
def test_a_wide_strip_is_shown_on_paper_and_its_boxes_come_back_to_the_strip(width: int, turn: int) -> None:
    picture, places = strip(width, 200)
    lying = picture.rotate(-turn, expand=True)

    page, seer, store = read(encoded(lying), "image/png", STRIP)

    shown = Image.open(io.BytesIO(seer.shown[0]))
    assert shown.width <= 6.0 * shown.height < shown.width + 6
    assert shown.getpixel((0, 0)) == shown.getpixel((shown.width - 1, shown.height - 1)) == PAPER
    assert store.raws[0].prepared is not None
    assert store.raws[0].prepared.steps == (*([f"turn {360 - turn}"] if turn else []), "pad")
    shrunk = max(1.0, page.image.size.width / shown.width)
    assert_there(page, turned_places(places, turn, width, 200), page.image.size, extra=shrunk - 1.0)


def strip(width: int, height: int) -> tuple[Image.Image, tuple[PixelBox, ...]]:
    """A long row of words, upright, with the coloured words among them."""
    picture = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(24)
    for line, top in enumerate(range(12, height - 30, 44)):
        for place, left in enumerate(range(20, width - 300, 310)):
            draw.text((left, top), WORDS[(line + place) % len(WORDS)], "black", font)
    places = []
    for number, colour in enumerate(MARKS):
        x, y = round((width - 100) * number / 4), 20 + 30 * number
        draw.rectangle((x, y, x + 89, y + 29), fill=colour)
        places.append(PixelBox(x, y, x + 90, y + 30))
    return picture, tuple(places)


def test_a_page_that_is_only_turned_is_encoded_once() -> None:
    picture, _ = printed(800, 1000)

    page, seer, store = read(encoded(picture.rotate(90, expand=True), "JPEG", quality=95), "image/jpeg")

    assert page.image.turn == 90
    assert page.image.digest == digest_of(seer.shown[0])
    assert list(store.pictures) == [page.image.digest]


def test_a_sheet_photographed_from_the_side_is_flattened_and_its_boxes_lie_on_the_photograph() -> None:
    picture, places = printed(800, 1000)
    corners = np.array([[120, 90], [1010, 150], [1120, 1260], [60, 1190]], np.float32)
    flat = np.array([[0, 0], [800, 0], [800, 1000], [0, 1000]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners)
    photo = cv2.warpPerspective(
        np.asarray(picture), matrix, (1200, 1350), flags=cv2.INTER_LINEAR, borderValue=(60, 50, 40)
    )

    page, _, store = read(encoded(Image.fromarray(photo)), "image/png", Preparation(perspective=True))

    assert store.raws[0].prepared is not None and store.raws[0].prepared.steps == ("perspective",)
    marks = marks_of(page)
    for number, place in enumerate(places):
        moved = [matrix @ [x, y, 1] for x, y in itertools.product((place.x1, place.x2), (place.y1, place.y2))]
        xs, ys = [m[0] / m[2] for m in moved], [m[1] / m[2] for m in moved]
        found = to_pixels(marks[number], page.image.size)
        assert abs(found.x1 - min(xs)) <= 4 and abs(found.x2 - max(xs)) <= 4
        assert abs(found.y1 - min(ys)) <= 4 and abs(found.y2 - max(ys)) <= 4


def test_a_page_in_order_is_shown_as_it_is() -> None:
    data = encoded(printed(800, 1000)[0])

    assert prepare(data, UPRIGHT) is None
    assert prepare(data, Preparation(perspective=True)) is None
    assert sheet_corners(np.asarray(printed(800, 1000)[0], np.uint8)) is None


def test_a_blank_page_and_one_with_a_single_word_are_left_alone() -> None:
    blank = Image.new("L", (600, 900), 255)
    word = blank.copy()
    ImageDraw.Draw(word).text((40, 40), "Hello", "black", ImageFont.load_default(30))

    assert prepare(encoded(blank), UPRIGHT) is None
    assert prepare(encoded(word), UPRIGHT) is None


@pytest.mark.parametrize("name", ["denoise", "contrast", "binarise"])
def test_a_switch_changes_the_picture_and_no_place_on_it(name: str) -> None:
    data = encoded(printed(400, 600)[0])

    shown = prepare(data, Preparation(**{name: True}))

    assert shown is not None and shown.picture != data
    assert shown.prepared.to_page == () and shown.prepared.turn == 0
    assert shown.prepared.steps == (name,)
    if name == "binarise":
        assert set(np.unique(np.asarray(Image.open(io.BytesIO(shown.picture))))) <= {0, 255}


def test_every_switch_is_part_of_what_decides_a_reading() -> None:
    all_ways = [Preparation(*way) for way in itertools.product((False, True), repeat=5)]

    assert len({str(sorted(way.identity.items())) for way in all_ways}) == len(all_ways)
    assert Preparation().identity == {}


coordinates = st.integers(0, GRID_MAX)
sizes = st.builds(PixelSize, st.integers(50, 5000), st.integers(50, 5000))


@given(coordinates, coordinates, coordinates, coordinates, sizes, st.sampled_from((0, 90, 180, 270)))
def test_a_way_and_its_way_back_cancel(
    x1: int, y1: int, x2: int, y2: int, size: PixelSize, turn: int
) -> None:
    box = GridBox(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    there = quarter_turn(turn, size.width, size.height)
    other = PixelSize(size.height, size.width) if turn in (90, 270) else size

    moved = through(box, tuple(there.ravel()), size, other)
    back = through(moved, tuple(np.linalg.inv(there).ravel()), other, size)

    assert (back.x1, back.y1, back.x2, back.y2) == pytest.approx((box.x1, box.y1, box.x2, box.y2), abs=0.02)
