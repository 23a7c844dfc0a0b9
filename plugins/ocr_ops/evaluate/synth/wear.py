"""A clean picture of a page -> what a scanner or a phone makes of it, and where every point of it went.

In: a grey picture. Out: a grey picture and the affine map of its pixels. Random numbers come from the caller's seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Wear(StrEnum):
    """How bad the picture is."""

    NONE = "none"
    LIGHT = "light"
    HEAVY = "heavy"
    MIXED = "mixed"
    """Drawn for every document: a third each."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Upper bounds: degrees askew, blur in pixels, noise in grey levels, share of contrast lost, stains, JPEG quality from."""

    askew: float
    blur: float
    noise: float
    faded: float
    stains: int
    quality: int


AMOUNTS = {
    Wear.NONE: Amounts(0, 0, 0, 0, 0, 92),
    Wear.LIGHT: Amounts(1.2, 0.6, 6, 0.2, 1, 70),
    Wear.HEAVY: Amounts(2.5, 1.1, 16, 0.55, 4, 40),
}


def worn(
    picture: Image.Image, wear: Wear, dice: np.random.Generator
) -> tuple[Image.Image, Callable[[Box], Box], int]:
    """The picture after wear, a map from its old pixel boxes to the new ones, and the JPEG quality to keep it in."""
    most = AMOUNTS[wear]
    if wear is Wear.NONE:
        return picture, lambda box: box, most.quality
    stained = _stained(picture, int(dice.integers(0, most.stains + 1)), dice)
    degrees = float(dice.uniform(-most.askew, most.askew))
    turned = stained.rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=int(dice.integers(70, 235))
    )
    blurred = turned.filter(ImageFilter.GaussianBlur(float(dice.uniform(0.2, most.blur))))
    quality = int(dice.integers(most.quality, 90))
    return _lit(blurred, most, dice), _turning(picture.size, turned.size, degrees), quality


def _stained(picture: Image.Image, count: int, dice: np.random.Generator) -> Image.Image:
    """Rings and blots, as from a cup: they darken, they do not hide."""
    veil = Image.new("L", picture.size, 255)
    draw = ImageDraw.Draw(veil)
    for _ in range(count):
        x, y = float(dice.uniform(0, picture.width)), float(dice.uniform(0, picture.height))
        r = float(dice.uniform(0.05, 0.2)) * picture.width
        grey = int(dice.integers(175, 235))
        ring = dice.random() < 0.5
        draw.ellipse(
            (x - r, y - r, x + r, y + r), fill=None if ring else grey, outline=grey, width=max(2, int(r / 8))
        )
    soft = np.asarray(veil.filter(ImageFilter.GaussianBlur(4)), dtype=np.float32) / 255
    return Image.fromarray((np.asarray(picture, dtype=np.float32) * soft).astype(np.uint8))


def _lit(picture: Image.Image, most: Amounts, dice: np.random.Generator) -> Image.Image:
    """Faded print, uneven light, and the sensor's noise."""
    pixels = np.asarray(picture, dtype=np.float32)
    contrast = 1 - float(dice.uniform(0, most.faded))
    pixels = 235 - (235 - pixels) * contrast
    light = np.linspace(1, float(dice.uniform(0.75, 1)), picture.width, dtype=np.float32)
    if dice.random() < 0.5:
        light = light[::-1]
    noise = dice.normal(0, float(dice.uniform(1, most.noise)), pixels.shape).astype(np.float32)
    return Image.fromarray(np.clip(pixels * light[np.newaxis, :] + noise, 0, 255).astype(np.uint8))


def _turning(before: tuple[int, int], after: tuple[int, int], degrees: float) -> Callable[[Box], Box]:
    """Where boxes go when Pillow turns a picture counter-clockwise around its middle and grows it."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def moved(x: float, y: float) -> Point:
        dx, dy = x - before[0] / 2, y - before[1] / 2
        return after[0] / 2 + dx * cos + dy * sin, after[1] / 2 - dx * sin + dy * cos

    def box_moved(box: Box) -> Box:
        x1, y1, x2, y2 = box
        xs, ys = zip(moved(x1, y1), moved(x2, y1), moved(x1, y2), moved(x2, y2), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    return box_moved
