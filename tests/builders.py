"""Small hand-made pages, schemas and candidates for tests. A page is written as lines of text, top to bottom."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_ops.codec import digest_of
from ocr_ops.model import Block, Candidate, GridBox, PageImage, PixelSize, Reading, ReadPage

LINE_HEIGHT = 14.0


def page_of(
    *lines: str, number: int = 1, score: float | None = 0.99, size: tuple[int, int] = (800, 1600)
) -> ReadPage:
    """One block a line; " | " splits a line into segments side by side."""
    blocks: list[Block] = []
    for row, line in enumerate(lines):
        cells = line.split(" | ")
        width = 900 / len(cells)
        for column, text in enumerate(cells):
            left, top = 40 + column * width, 20 + row * LINE_HEIGHT * 1.5
            box = GridBox(left, top, left + min(width - 10, 12.0 * len(text) + 5), top + LINE_HEIGHT)
            blocks.append(Block(f"p{number:03d}.b{len(blocks) + 1:03d}", "text", (box,), text, score))
    image = PageImage(number, digest_of(f"page {number}".encode()), "image/png", PixelSize(*size), 200.0)
    return ReadPage(image, (digest_of(b"raw"),), tuple(blocks))


def candidate(reader: str = "layout", score: float = 0.9, **values: str) -> Candidate:
    """A candidate with top-level fields, as a reader would propose them."""
    return candidate_of(reader, {f"/{name}": value for name, value in values.items()}, score)


def candidate_of(
    reader: str, values: dict[str, str], score: float = 0.9, blocks: Sequence[str] = ()
) -> Candidate:
    """A candidate from JSON pointers."""
    readings = tuple(Reading(path, value, value, tuple(blocks), score) for path, value in values.items())
    return Candidate(reader, "test", readings)
