"""How much work a document will be, guessed from its bytes without decoding anything; and work shared out in batches. Pure.

A decoder in the task that lists would let one hostile file stop the whole listing, so pages are counted by eye: a PDF names them,
or says how many there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ocr_ops.pipeline.journey import Journey

MOST_BATCHES = 200
"""Batches of one run. Above it batches grow: what a task hands on has to stay small, and Airflow maps over 1,024 at most."""
PAGES = 60
"""Expected pages after which a batch is full, whatever it holds."""
BYTES = 64_000_000
"""Bytes after which a batch is full."""
_BYTES_A_PAGE = 50_000
"""Of PDFs whose pages cannot be seen without decoding, on average of the sample documents."""
_MOST_PAGES = 5_000

_PAGE_OBJECT = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,6})")


def expected_pages(media_type: str, data: bytes) -> int:
    """How many pages these bytes probably have, 1 at least."""
    if media_type != "application/pdf":
        return 1
    named = sum(1 for _ in _PAGE_OBJECT.finditer(data))
    counted = max((int(found[1]) for found in _COUNT.finditer(data)), default=0)
    return max(1, min(named or counted or len(data) // _BYTES_A_PAGE, _MOST_PAGES))


def shared_out(journeys: Sequence[Journey], *, most: int) -> Iterator[tuple[Journey, ...]]:
    """Documents in batches, in order; a batch ends with `most` documents, PAGES pages or BYTES bytes.

    Where that would be more than MOST_BATCHES, all three grow.
    """
    growth = 1
    while True:
        batches = list(_filled(journeys, most * growth, PAGES * growth, BYTES * growth))
        if len(batches) <= MOST_BATCHES:
            yield from batches
            return
        growth = max(growth + 1, growth * len(batches) // MOST_BATCHES)


def _filled(journeys: Sequence[Journey], most: int, pages: int, size: int) -> Iterator[tuple[Journey, ...]]:
    batch: list[Journey] = []
    weight = heft = 0
    for journey in journeys:
        full = (
            len(batch) == most or weight + journey.pages_expected > pages or heft + journey.size_bytes > size
        )
        if batch and full:
            yield tuple(batch)
            batch, weight, heft = [], 0, 0
        batch.append(journey)
        weight += journey.pages_expected
        heft += journey.size_bytes
    if batch:
        yield tuple(batch)
