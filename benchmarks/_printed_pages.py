"""Receipts and A4 pages as a scanner would give them, drawn from a seed: pictures in memory, without any file.

In: how many. Out: what the OCR layer takes, a `PageImage` and its JPEG. The words are made up; noise makes the files as
heavy as scans are.
"""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ocr_ops.codec import digest_of
from ocr_ops.model import PageImage, PixelSize

Picture = tuple[PageImage, bytes]

JPEG_QUALITY = 92
A4_DPI = 200
INK = 35
WORDS = (
    "invoice", "total", "amount", "customer", "delivery", "date", "order", "tax", "net", "gross", "bread",
    "coffee", "milk", "office", "paper", "service", "Rechnung", "Betrag", "Lieferung", "Datum", "Steuer",
    "netto", "brutto", "Menge", "Preis", "Artikel", "Kunde", "Straße", "within", "thirty", "days",
    "agreement", "party", "section", "shall", "payment", "notice", "period", "term", "value", "list",
    "number", "address",
)  # fmt: skip


def receipts(count: int) -> list[Picture]:
    """Receipts of about 1024 x 1024 pixels, a little askew."""
    return [_finished(_receipt(random.Random(seed)), seed, noise=4.0) for seed in range(count)]


def a4_pages(count: int) -> list[Picture]:
    """A4 pages of running text and ruled tables at 200 dpi."""
    return [_finished(_a4(random.Random(1000 + seed)), seed, noise=2.5, dpi=A4_DPI) for seed in range(count)]


def _receipt(chance: random.Random) -> Image.Image:
    width, height = (chance.randrange(960, 1089, 8) for _ in "wh")
    image = Image.new("RGB", (width, height), (246, 244, 238))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(22)
    draw.text((width // 4, 24), _words(chance, 2).upper(), font=ImageFont.load_default(40), fill=INK)
    for top in range(90, height - 40, 29):
        item = f"{chance.randint(1, 9)} x {_words(chance, chance.randint(2, 4))}"
        draw.text((40, top), item, font=font, fill=INK)
        price = f"{chance.randint(0, 99)},{chance.randint(0, 99):02d} EUR"
        draw.text((width - 190, top), price, font=font, fill=INK)
    return image.rotate(chance.uniform(-1.5, 1.5), fillcolor=(120, 110, 100))


def _a4(chance: random.Random) -> Image.Image:
    scale = A4_DPI / 72
    width, height = round(595.3 * scale), round(841.9 * scale)
    image = Image.new("RGB", (width, height), (252, 252, 250))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(round(9.5 * scale))
    margin, line = round(50 * scale), round(13.5 * scale)
    draw.text((margin, margin), _words(chance, 4), font=ImageFont.load_default(round(16 * scale)), fill=0)
    top = margin + 3 * line
    while top < height - margin - line:
        rows = chance.randint(4, 8) if chance.random() < 0.06 else 0
        if rows and top + rows * line < height - margin:
            _table(draw, font, chance, (margin, top, width - margin), rows, line)
            top += (rows + 1) * line
        else:
            draw.text((margin, top), _words(chance, 13)[:88], font=font, fill=INK)
            top += line
    return image


def _table(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    chance: random.Random,
    place: tuple[int, int, int],
    rows: int,
    line: int,
) -> None:
    left, top, right = place
    for row in range(rows + 1):
        y = top + row * line
        draw.line((left, y, right, y), fill=60, width=2)
        for column in range(4) if row < rows else ():
            cell = _words(chance, 2) if column < 2 else f"{chance.random() * 999:.2f}"
            draw.text((left + 8 + column * (right - left) // 4, y + 2), cell, font=font, fill=INK)


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(count))


def _finished(image: Image.Image, seed: int, *, noise: float, dpi: float = 0.0) -> Picture:
    chance = np.random.default_rng(seed)
    dots = np.asarray(image, dtype=np.float32)
    streaks = chance.random((1, dots.shape[1], 1), dtype=np.float32) * 8
    grain = chance.normal(0, noise, (*dots.shape[:2], 1)).astype(np.float32)
    scanned = Image.fromarray((dots - streaks + grain).clip(0, 255).astype(np.uint8))
    kept = io.BytesIO()
    scanned.save(kept, "JPEG", quality=JPEG_QUALITY)
    data = kept.getvalue()
    return PageImage(1, digest_of(data), "image/jpeg", PixelSize(*image.size), dpi), data
