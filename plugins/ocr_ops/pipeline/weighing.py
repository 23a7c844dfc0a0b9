"""How much work a document will be, guessed from its bytes without decoding anything; and work shared out in batches. Pure.

A decoder in the task that lists would let one hostile file stop the whole listing, so pages are counted by eye: a PDF names them,
or says how many there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ocr_ops.pipeline.journey import Journey

MOST_BATCHES = 200
"""Batches of one run. Above it batches grow: what a task hands on has to stay small, and Airflow maps over 1,024 at most."""
PAGES = 200
"""Expected pages after which a batch is full: the start of its tasks is a few per cent of its work then."""
FEWEST_PAGES = 40
"""Expected pages that no batch is cut below to keep more readers busy: its tasks would cost more to start than they save."""
BYTES = 200_000_000
"""Bytes after which a batch is full."""
ROUNDS = 2
"""Full batches for each reader, where there are pages enough: while one is extracted and loaded the next is read."""
UNLIKE = 4
"""The full batches of a long run differ by a part of so many: readers with equal ones fall into step, and all end at once again."""
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


def shared_out(
    journeys: Sequence[Journey], *, most: int, readers: int = 1, in_flight: int = 1
) -> Iterator[tuple[Journey, ...]]:
    """Documents in batches, in order, as `lengths` says."""
    pages = [one.pages_expected for one in journeys]
    sizes = [one.size_bytes for one in journeys]
    start = 0
    for length in lengths(pages, sizes, most=most, readers=readers, in_flight=in_flight):
        yield tuple(journeys[start : start + length])
        start += length


def lengths(
    pages: Sequence[int], sizes: Sequence[int], *, most: int = 0, readers: int = 1, in_flight: int = 1
) -> list[int]:
    """How many documents each batch holds, in order, from the expected pages and the bytes of each document.

    A batch ends with `most` documents (0: any number), BYTES bytes, or as many pages as give each of the `readers` ROUNDS
    batches, PAGES at most or twice what its task has in flight. The first batch of each reader is larger than the one before, so
    that readers do not all wait for their last pages, and start anew, at the same moment; full ones differ a little, so that it stays
    so. Towards the end batches shrink to a
    reader's share of what is left (half, for a single one), so that all readers end together and little is left to extract and load after the last page
    (guided self-scheduling, Polychronopoulos and Kuck 1987), but not below FEWEST_PAGES, or half of what a task has in flight,
    as places that it cannot fill stay empty. Where there would be more than MOST_BATCHES, all of them grow.
    """
    total = sum(pages)
    fewest = max(FEWEST_PAGES, in_flight // 2)
    most_pages = max(PAGES, 2 * in_flight)
    full = min(max(-(-total // (ROUNDS * readers)), fewest), most_pages)
    unlike = UNLIKE if full == most_pages else 0
    growth = 1
    while True:
        limits = _Limits(most * growth, fewest, full * growth, BYTES * growth, readers, unlike)
        found = list(_filled(zip(pages, sizes, strict=True), limits, total))
        if len(found) <= MOST_BATCHES:
            return found
        growth = max(growth + 1, growth * len(found) // MOST_BATCHES)


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a batch may hold, and among how many readers batches are shared out."""

    documents: int
    fewest: int
    """Pages that no batch is cut below."""
    pages: int
    size: int
    readers: int
    unlike: int
    """By one part of how many full batches differ; 0: they are equal."""

    def pages_of(self, number: int, left: int) -> int:
        """Most pages of the batch of this number, counted from 0, when so many pages are left."""
        begin = self.pages * min(number + 1, self.readers) // self.readers
        if self.unlike and number >= self.readers:
            begin -= self.pages * (number % self.readers) // (self.unlike * self.readers)
        return min(self.pages, max(self.fewest, min(begin, -(-left // max(2, self.readers)))))


def _filled(documents: Iterable[tuple[int, int]], limits: _Limits, left: int) -> Iterator[int]:
    length = pages = size = number = 0
    most_pages = limits.pages_of(number, left)
    for own_pages, own_size in documents:
        full = length == limits.documents or pages + own_pages > most_pages or size + own_size > limits.size
        if length and full:
            yield length
            left -= pages
            length = pages = size = 0
            number += 1
            most_pages = limits.pages_of(number, left)
        length += 1
        pages += own_pages
        size += own_size
    if length:
        yield length
