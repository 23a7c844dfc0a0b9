"""Pages drawn to fill a model's tiles: not a pixel that it would not look at, and none less."""

from __future__ import annotations

import math

import pymupdf
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ocr_ops.codec import digest_of
from ocr_ops.engines.tiles import DEEPSEEK_OCR, DEEPSEEK_OCR_2, LONGEST_RATIO, Tiling
from ocr_ops.model import PageImage, PixelSize, SourceDocument
from ocr_ops.raster import open_document
from ocr_ops.settings import Limits

A4 = (595.0, 842.0)
TILINGS = (DEEPSEEK_OCR, DEEPSEEK_OCR_2)


def drawn(size: tuple[float, float], tiling: Tiling | None, limits: Limits) -> PageImage:
    """The picture of an empty PDF page of that size in points."""
    pdf = pymupdf.open()
    pdf.new_page(width=size[0], height=size[1])
    data = pdf.tobytes()
    source = SourceDocument("file:///x.pdf", "x.pdf", digest_of(data), "application/pdf", len(data))
    with open_document(source, data, limits, tiling.scale if tiling else None) as opened:
        (page,) = opened.pages
    assert page.image is not None
    return page.image


@pytest.mark.parametrize(
    ("tiling", "page", "size", "dpi"),
    [
        (DEEPSEEK_OCR, A4, (1357, 1920), 164.2),
        (DEEPSEEK_OCR_2, A4, (1629, 2304), 197.0),
        (DEEPSEEK_OCR, A4[::-1], (1920, 1357), 164.2),
        (DEEPSEEK_OCR, (227.0, 567.0), (769, 1920), 243.8),
        (DEEPSEEK_OCR, (227.0, 2043.0), (640, 5760), 203.0),
        (DEEPSEEK_OCR_2, (2043.0, 227.0), (4608, 512), 162.4),
    ],
)
def test_a_pdf_page_is_drawn_at_the_size_that_fills_the_tiles(
    tiling: Tiling, page: tuple[float, float], size: tuple[int, int], dpi: float
) -> None:
    image = drawn(page, tiling, Limits())

    assert (image.size.width, image.size.height) == pytest.approx(size, abs=1)
    assert image.dpi == pytest.approx(dpi, abs=0.1)


def test_the_limits_hold_whatever_the_tiles_want_and_say_the_dpi_without_tiles() -> None:
    small = Limits(max_page_pixels=1_000_000)

    image = drawn(A4, DEEPSEEK_OCR_2, small)

    assert image.size.width * image.size.height <= 1.01 * small.max_page_pixels
    assert drawn(A4, None, Limits()).dpi == Limits.dpi


def is_midway(shape: float) -> bool:
    """Whether two grids are equally near: rounding to pixels decides then, and either will do."""
    grids = [(columns, rows) for columns in range(1, 7) for rows in range(1, 7) if 2 <= columns * rows <= 6]
    nearest, second = sorted({abs(shape - columns / rows) for columns, rows in grids})[:2]
    return second - nearest < 0.01


@given(st.floats(10, 5000), st.floats(10, 5000), st.sampled_from(TILINGS))
@example(60.0, 73.5, DEEPSEEK_OCR)
def test_every_page_covers_its_tiles_and_touches_their_edge(
    width: float, height: float, tiling: Tiling
) -> None:
    assume(not is_midway(width / height))
    scale = tiling.scale(width, height)
    across, down = width * scale / tiling.tile_px, height * scale / tiling.tile_px

    if max(width, height) <= LONGEST_RATIO * min(width, height):
        columns, rows = tiling.grid(PixelSize(math.ceil(width * scale), math.ceil(height * scale)))
        assert across >= columns - 0.01 and down >= rows - 0.01
        assert min(across - columns, down - rows) < 0.01
    else:
        assert across == pytest.approx(1.0 if height > width else 6.0)
