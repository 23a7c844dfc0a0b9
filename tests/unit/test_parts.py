"""Pages in parts: whatever the cut goes through, every printed line comes out once, at its place."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from ocr_ops.codec import digest_of
from ocr_ops.geometry import from_area, to_pixels
from ocr_ops.model import GRID_MAX, Block, GridBox, PageImage, PixelBox, PixelSize
from ocr_ops.part_pictures import gaps_of, part_pictures
from ocr_ops.parts import Joined, halves, join, long_parts

WIDTH = 400
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking, which takes minutes here and tells no more."""


@dataclass(frozen=True)
class Printed:
    """A line of a page, in pixels; `group` lines with one number stand in one block."""

    text: str
    top: int
    bottom: int
    group: int
    table: bool


@st.composite
def pages(draw: st.DrawFn, repeats: bool = True) -> tuple[PixelSize, list[Printed]]:
    """Receipts of up to 150 lines whose blocks have lines of one height; words come again and again."""
    printed: list[Printed] = []
    y = draw(st.integers(0, 60))
    words = [
        "Espresso 2.50",
        "TOTAL 17.90",
        "1 x 2.50",
        "Caffe latte 3.20",
        "----------------",
        "VAT 19% 1.20",
        "==",
    ]
    for group in range(draw(st.integers(2, 30))):
        height, space = draw(st.integers(10, 34)), draw(st.integers(2, 14))
        table = draw(st.booleans())
        for _ in range(draw(st.integers(1, 9))):
            word = draw(st.sampled_from(words)) if repeats else ""
            text = f"{word}" if repeats else f"item {len(printed) * 7919 % 100_000:05d}"
            printed.append(Printed(text, y, y + height, group, table))
            y += height + space
        y += draw(st.integers(0, 40))
    return PixelSize(WIDTH, max(y + 10, 200)), printed


def seen(printed: Sequence[Printed], area: PixelBox, cut_lines: str) -> list[Block]:
    """What a model reads on an area, on the grid of that area: whole numbers, one box a block."""
    blocks: list[Block] = []
    groups: dict[int, list[tuple[Printed, str]]] = {}
    for line in printed:
        share = (min(line.bottom, area.y2) - max(line.top, area.y1)) / (line.bottom - line.top)
        if share >= 0.999:
            groups.setdefault(line.group, []).append((line, line.text))
        elif share > 0.5 and cut_lines == "damaged":
            groups.setdefault(line.group, []).append((line, line.text[: len(line.text) // 2 + 1] + "~"))
        elif share > 0.5 and cut_lines == "guessed":
            groups.setdefault(line.group, []).append((line, line.text))
    height = area.y2 - area.y1
    for lines in groups.values():
        top = max(0, min(line.top for line, _ in lines) - area.y1)
        bottom = min(height, max(line.bottom for line, _ in lines) - area.y1)
        box = GridBox(10, round(top * GRID_MAX / height), 900, round(bottom * GRID_MAX / height))
        if lines[0][0].table:
            text = "<table>" + "".join(f"<tr><td>{text}</td></tr>" for _, text in lines) + "</table>"
            blocks.append(Block(f"p001.b{len(blocks):03d}", "table", (box,), text))
        else:
            blocks.append(
                Block(f"p001.b{len(blocks):03d}", "text", (box,), "\n".join(text for _, text in lines))
            )
    return blocks


def read_in_parts(
    size: PixelSize, printed: Sequence[Printed], areas: Sequence[PixelBox], cut_lines: str
) -> tuple[list[str], Joined]:
    joined, before, lonely, disputed = Joined(()), 0, 0, 0
    for area in areas:
        blocks = [
            Block(b.id, b.label, tuple(from_area(box, area, size) for box in b.boxes), b.text)
            for b in seen(printed, area, cut_lines)
        ]
        scale = GRID_MAX / size.height
        joined = join(joined.blocks, blocks, (area.y1 * scale, (before or area.y1) * scale), 1)
        lonely, disputed, before = lonely + joined.lonely, disputed + joined.disputed, area.y2
    return lines_of(joined.blocks), Joined(joined.blocks, lonely, disputed)


def lines_of(blocks: Sequence[Block]) -> list[str]:
    found: list[str] = []
    for block in blocks:
        if block.label == "table":
            found += re.findall(r"<td>(.*?)</td>", block.text)
        else:
            found += block.text.split("\n")
    return found


def gaps_between(size: PixelSize, printed: Sequence[Printed]) -> tuple[tuple[int, int], ...]:
    edges = [0, *(edge for line in printed for edge in (line.top, line.bottom)), size.height]
    return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 3)


@settings(max_examples=80, deadline=None, phases=PHASES)
@given(pages(), st.sampled_from(["missing", "damaged", "guessed"]))
def test_every_line_of_a_long_receipt_comes_out_once_and_in_order(
    page: tuple[PixelSize, list[Printed]], cut_lines: str
) -> None:
    size, printed = page
    areas = long_parts(size, gaps_between(size, printed))

    lines, joined = read_in_parts(size, printed, areas, cut_lines)

    assert lines == [line.text for line in printed]
    assert [block.id for block in joined.blocks] == [
        f"p001.b{n:03d}" for n in range(1, len(joined.blocks) + 1)
    ]


@settings(max_examples=80, deadline=None, phases=PHASES)
@given(pages(repeats=False), st.sampled_from(["missing", "damaged", "guessed"]))
def test_a_cut_through_lines_loses_and_doubles_none_of_them(
    page: tuple[PixelSize, list[Printed]], cut_lines: str
) -> None:
    size, printed = page
    whole = PixelBox(0, 0, size.width, size.height)

    lines, _ = read_in_parts(size, printed, halves(whole, ()), cut_lines)

    assert lines == [line.text for line in printed]


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(pages(repeats=False))
def test_nothing_is_doubtful_where_both_parts_read_the_same(page: tuple[PixelSize, list[Printed]]) -> None:
    size, printed = page

    _, joined = read_in_parts(size, printed, long_parts(size, gaps_between(size, printed)), "missing")

    assert (joined.lonely, joined.disputed) == (0, 0)


@settings(max_examples=80, deadline=None, phases=PHASES)
@given(st.integers(50, 900), st.integers(200, 12_000), st.lists(st.integers(0, 12_000), max_size=200))
def test_parts_cover_the_page_and_share_more_than_a_line(width: int, height: int, edges: list[int]) -> None:
    size, rows = PixelSize(width, height), sorted(edges)
    gaps = [(a, b) for a, b in zip(rows[::2], rows[1::2], strict=False) if a < b <= height]
    for areas in (long_parts(size, gaps), halves(PixelBox(0, 0, width, height), gaps)):
        assert (areas[0].y1, areas[-1].y2) == (0, height)
        assert all((area.x1, area.x2) == (0, width) and area.y1 < area.y2 for area in areas)
        shared = [upper.y2 - lower.y1 for upper, lower in pairwise(areas)]
        assert all(0.4 * min(0.2 * width, height / 4) - 2 <= px for px in shared)
        assert all(a.y1 < b.y1 and a.y2 < b.y2 for a, b in pairwise(areas))


@settings(max_examples=200, deadline=None)
@given(st.integers(40, 3000), st.integers(40, 9000), st.data())
def test_boxes_on_a_part_fall_on_the_same_pixels_of_the_page(
    width: int, height: int, data: st.DataObject
) -> None:
    top = data.draw(st.integers(0, height - 20))
    area = PixelBox(0, top, width, data.draw(st.integers(top + 10, height)))
    xs = sorted(data.draw(st.tuples(st.integers(0, 999), st.integers(0, 999))))
    ys = sorted(data.draw(st.tuples(st.integers(0, 999), st.integers(0, 999))))
    box = GridBox(xs[0], ys[0], xs[1], ys[1])

    on_page = to_pixels(from_area(box, area, PixelSize(width, height)), PixelSize(width, height))
    on_part = to_pixels(box, PixelSize(width, area.y2 - area.y1))

    assert abs(on_page.x1 - on_part.x1) <= 1 and abs(on_page.x2 - on_part.x2) <= 1
    assert abs(on_page.y1 - top - on_part.y1) <= 1 and abs(on_page.y2 - top - on_part.y2) <= 1


def table(*rows: str, top: float, bottom: float, around: tuple[str, str] = ("", "")) -> Block:
    text = (
        around[0] + "<table>" + "".join(f"<tr><td>{row}</td></tr>" for row in rows) + "</table>" + around[1]
    )
    return Block("p001.b001", "table", (GridBox(0, top, 999, bottom),), text)


def test_table_that_two_parts_saw_is_one_table_again() -> None:
    upper = table(*"abcdef", top=0, bottom=600)
    lower = table(*"efghij", top=400, bottom=1000 - 1)

    [block] = join([upper], [lower], (400, 600), 1).blocks

    assert re.findall("<td>(.)</td>", block.text) == list("abcdefghij")
    assert (block.text.count("<table>"), block.boxes) == (1, (GridBox(0, 0, 999, 999),))


def test_words_around_a_table_are_kept_once() -> None:
    upper = table("a1", "b2", "c3", "d4", top=0, bottom=500, around=("Items:\n", ""))
    lower = table("c3", "d4", "e5", top=250, bottom=750, around=("", "\nthank you"))

    joined = join([upper], [lower], (250, 500), 1)

    words = " ".join(re.sub("<[^>]*>", " ", " ".join(block.text for block in joined.blocks)).split())
    assert words == "Items: a1 b2 c3 d4 e5 thank you"


def test_line_that_two_parts_read_differently_comes_once_and_is_counted() -> None:
    def line(text: str, top: float) -> Block:
        return Block("p001.b001", "text", (GridBox(0, top, 999, top + 20),), text)

    upper = [line("Coffee 3.00", 100), line("Total 17.90", 480)]
    lower = [line("Total 11.90", 480), line("Thank you", 800)]

    joined = join(upper, lower, (400, 600), 1)

    assert len(joined.blocks) == 3 and (joined.disputed, joined.lonely) == (1, 0)


def test_line_that_only_one_part_saw_is_kept_and_counted() -> None:
    lonely = Block("p001.b001", "text", (GridBox(0, 490, 999, 510),), "seen by one")

    joined = join([lonely], [], (400, 600), 1)

    assert ([block.text for block in joined.blocks], joined.lonely) == (["seen by one"], 1)


def test_two_columns_keep_their_lines_and_their_order() -> None:
    def cell(text: str, x: float, y: float) -> Block:
        return Block("p001.b001", "text", (GridBox(x, y, x + 400, y + 30),), text)

    left = [cell(f"left {n}", 0, n * 100) for n in range(10)]
    right = [cell(f"right {n}", 500, n * 100) for n in range(10)]
    upper, lower = [*left[:6], *right[:6]], [*left[4:], *right[4:]]

    texts = [block.text for block in join(upper, lower, (400, 600), 1).blocks]

    assert sorted(texts) == sorted(block.text for block in (*left, *right))
    assert [text for text in texts if "left" in text] == [f"left {n}" for n in range(10)]


def receipt(height: int, lines: Sequence[int], form: str = "PNG", rules: Sequence[int] = ()) -> bytes:
    image = Image.new("L", (WIDTH, height), 235)
    draw = ImageDraw.Draw(image)
    for top in lines:
        draw.rectangle((60, top, 300, top + 15), fill=20)
    for left in rules:
        draw.line((left, 0, left, height), fill=20)
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_gaps_lie_between_the_lines_even_of_a_table_with_rules(form: str) -> None:
    picture = receipt(400, [50, 100, 300], form, rules=[40, 200])
    found = gaps_of(picture)

    assert [(round(start, -1), round(end, -1)) for start, end in found] == [
        (0, 50),
        (70, 100),
        (120, 300),
        (320, 400),
    ]


@pytest.mark.parametrize(("form", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_parts_of_a_picture_are_its_own_pixels(form: str, media_type: str) -> None:
    picture = receipt(1000, [100, 480, 700], form)
    page = PageImage(4, digest_of(picture), media_type, PixelSize(WIDTH, 1000), 200.0)
    areas = halves(PixelBox(0, 0, WIDTH, 1000), gaps_of(picture))

    parts = part_pictures(page, picture, areas)

    with Image.open(io.BytesIO(picture)) as whole:
        for area, (part, data) in zip(areas, parts, strict=True):
            with Image.open(io.BytesIO(data)) as image:
                expected = whole.crop((area.x1, area.y1, area.x2, area.y2)).tobytes()
                worst = max(abs(a - b) for a, b in zip(expected, image.tobytes(), strict=True))
                assert worst <= (0 if form == "PNG" else 12)
                assert image.size == (part.size.width, part.size.height) == (WIDTH, area.y2 - area.y1)
            assert (part.number, part.digest, part.media_type, part.dpi) == (
                4,
                digest_of(data),
                media_type,
                200.0,
            )


def test_low_pages_are_not_cut() -> None:
    area = PixelBox(0, 0, 500, 100)

    assert halves(area, ()) == (area,)
