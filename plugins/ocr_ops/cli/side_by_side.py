"""Documents -> outcomes, here or in several processes side by side. What is kept lies in the audit store; loading is the caller's.

PDFs with a text layer keep one core busy, so a process a core reads that many times as fast. A page that the embedded engine
reads keeps all cores busy by itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from ocr_ops.errors import TransientError
from ocr_ops.model import Outcome
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.journey import Journey, Order
from ocr_ops.pipeline.outcome import outcome_of
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.rows import Extras
from ocr_ops.settings import Settings

CHUNK = 4
"""Documents between two updates of the output; more where an engine reads more pages at once."""

Done = tuple[Outcome, Extras]


def outcomes(shop: Workshop, order: Order, journeys: Sequence[Journey], jobs: int) -> Iterator[Done]:
    """What becomes of documents, in their order; with more `jobs` than one in so many processes.

    A run's budget for the LLM is shared out by documents then. TransientError when a process died.
    """
    size = max(CHUNK, shop.pages_in_flight(order.engine))
    chunks = [journeys[start : start + size] for start in range(0, len(journeys), size)]
    if jobs < 2 or len(chunks) < 2:
        for chunk in chunks:
            yield from _through(shop, order, chunk)
        return
    desk = (shop.settings, order, len(journeys))
    # spawned, not forked: decoders and engines of this process have threads
    with ProcessPoolExecutor(
        min(jobs, len(chunks)), multiprocessing.get_context("spawn"), initializer=_sit_down, initargs=desk
    ) as pool:
        try:
            for done in pool.map(_at_desk, chunks):
                yield from done
        except BrokenProcessPool as problem:
            words = "a process that reads documents died; run again: what was being opened is opened by itself then"
            raise TransientError(words) from problem
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _through(shop: Workshop, order: Order, journeys: Sequence[Journey]) -> Iterator[Done]:
    async def work() -> list[Journey]:
        read = await batches.read_documents(shop, order, journeys)
        return await batches.extract_documents(shop, order, read)

    return (outcome_of(shop, journey) for journey in asyncio.run(work()))


# --- in a process of its own ---

_desk: tuple[Workshop, Order, int]


def _sit_down(settings: Settings, order: Order, of: int) -> None:
    global _desk
    _desk = (Workshop.from_settings(settings), order, of)


def _at_desk(journeys: Sequence[Journey]) -> list[Done]:
    shop, order, of = _desk
    return list(_through(shop.for_part(len(journeys), of), order, journeys))
