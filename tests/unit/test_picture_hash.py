"""The looks of a page: equal for the same sheet scanned again, another for another sheet."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ocr_ops.page_pixels import LONGEST_SIDE, page_pixels
from ocr_ops.picture_hash import difference_hash


def sheet(seed: int) -> Image.Image:
    """A white page with text-like bars at random places."""
    dice = np.random.default_rng(seed)
    picture = Image.new("L", (850, 1200), 250)
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = dice.integers(30, 600), dice.integers(30, 1150)
        draw.rectangle((x, y, x + dice.integers(40, 240), y + 14), fill=int(dice.integers(0, 90)))
    return picture


def encoded(picture: Image.Image, form: str = "JPEG", **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def bits_between(one: int | None, other: int | None) -> int:
    assert one is not None
    assert other is not None
    return ((one ^ other) & (2**64 - 1)).bit_count()


def scanned_again(picture: Image.Image) -> Image.Image:
    """Another resolution, a little crooked, brighter and with noise."""
    turned = picture.rotate(0.5, fillcolor=250).resize((638, 900))
    noise = np.random.default_rng(1).normal(6, 6, (900, 638))
    return Image.fromarray(np.clip(np.asarray(turned) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("seed", range(5))
def test_a_sheet_scanned_again_differs_in_few_bits_and_another_in_many(seed):
    first = difference_hash(encoded(sheet(seed), quality=92))

    assert bits_between(first, difference_hash(encoded(scanned_again(sheet(seed)), quality=70))) <= 10
    assert bits_between(first, difference_hash(encoded(sheet(seed + 100)))) > 10


def test_the_hash_fits_a_bigint_and_is_the_same_for_both_formats():
    hashes = {difference_hash(encoded(sheet(3), form)) for form in ("PNG", "TIFF")}

    assert len(hashes) == 1
    assert all(-(2**63) <= found < 2**63 for found in hashes if found is not None)


@pytest.mark.parametrize("picture", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_has_no_looks(picture):
    assert difference_hash(picture) is None


def test_a_blank_page_has_looks():
    assert difference_hash(encoded(Image.new("L", (850, 1200), 255))) == 0


def test_a_picture_that_is_decoded_already_has_the_same_looks():
    picture = encoded(sheet(4))

    assert difference_hash(page_pixels(picture)) == difference_hash(picture) != 0


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(4000, 900), (900, 3300), (1700, 20)])
def test_pixels_of_a_large_picture_are_shrunk_to_one_longest_side(form, size):
    height, width = page_pixels(encoded(Image.new("RGB", size, "white"), form)).values.shape[:2]

    assert max(width, height) == LONGEST_SIDE
    assert (width > height) is (size[0] > size[1])
    assert min(width, height) == pytest.approx(min(size) * LONGEST_SIDE / max(size), abs=1)


def test_bytes_that_are_no_picture_have_no_pixels():
    with pytest.raises(ValueError, match="no picture"):
        page_pixels(b"\x89PNG\r\n\x1a\n")
