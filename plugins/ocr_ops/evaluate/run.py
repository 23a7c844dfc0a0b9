"""Cases -> scored documents, through the steps that production runs.

Every step is kept in the same store under the same key as `ocr-ops process` uses, so a run that was interrupted, or repeated
after a change of readers or judge, costs only what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ocr_ops.codec import from_json
from ocr_ops.errors import TerminalError
from ocr_ops.evaluate.dataset import Case, DatasetError, read_boxes
from ocr_ops.evaluate.score import DocumentScore, score_fields, score_lines
from ocr_ops.model import RawPage, ReadPage, Record, Stage
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.journey import Extracted, Journey, Opened, Order
from ocr_ops.pipeline.listing import list_documents
from ocr_ops.pipeline.outcome import problems_of, status_of
from ocr_ops.pipeline.steps import load_pages, load_record
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.readers.llm import LlmAttempt
from ocr_ops.schemas import load_schema

AT_ONCE = 4
"""Documents between two signs of progress."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One case with what became of it. `journey` names every stored step."""

    case: Case
    journey: Journey
    pages: tuple[ReadPage, ...]
    record: Record | None
    score: DocumentScore


def evaluate(
    shop: Workshop, order: Order, cases: Sequence[Case], advance: Callable[[int], None] = lambda count: None
) -> Iterator[Evaluated]:
    """Process and score cases in order; `advance` hears after every few how many were done."""
    for start in range(0, len(cases), AT_ONCE):
        some = cases[start : start + AT_ONCE]
        journeys = [_journey(shop, case) for case in some]
        done = asyncio.run(_through(shop, order, journeys))
        yield from (_evaluated(shop, case, journey) for case, journey in zip(some, done, strict=True))
        advance(len(some))


def _journey(shop: Workshop, case: Case) -> Journey:
    """A document by itself, so that two cases with the same bytes are both scored."""
    try:
        (journey,) = list_documents(shop, case.path)
    except TerminalError as problem:
        raise DatasetError(f"{case.id}: {problem}") from problem
    return journey


async def _through(shop: Workshop, order: Order, journeys: Sequence[Journey]) -> list[Journey]:
    read = await batches.read_documents(shop, order, journeys)
    return await batches.extract_documents(shop, order, read)


def _evaluated(shop: Workshop, case: Case, journey: Journey) -> Evaluated:
    pages, record = load_pages(shop, journey), load_record(shop, journey)
    schema = load_schema(case.doc_type, folder=shop.schema_folder)
    drawn = _pages_drawn(shop, journey)
    score = DocumentScore(
        id=case.id,
        source=case.source,
        doc_type=case.doc_type,
        judged_type=record.doc_type if record else None,
        status=status_of(journey, record),
        fields=score_fields(case, schema, record, pages, read_boxes(case)),
        lines=score_lines(case, schema, record),
        pages=max(drawn, 1),
        pages_lost=max(drawn, 1) - sum(bool(page.blocks) for page in pages),
        read_s=_read_seconds(shop, pages),
        other_s=sum(seconds for stage, seconds in journey.timings.items() if stage != Stage.READ),
        tokens=_tokens(shop, journey),
        problems=problems_of(journey, record),
    )
    return Evaluated(case, journey, pages, record, score)


def _pages_drawn(shop: Workshop, journey: Journey) -> int:
    opened = journey.result("open")
    return len(from_json(Opened, shop.store.get(opened)).pages) if opened else 0


def _read_seconds(shop: Workshop, pages: Sequence[ReadPage]) -> float:
    """Seconds that reading took when it was done, as every raw page remembers; a text layer takes none."""
    attempts = {digest for page in pages for digest in page.attempts}
    return sum(from_json(RawPage, shop.store.get(digest)).seconds for digest in attempts)


def _tokens(shop: Workshop, journey: Journey) -> tuple[int, int]:
    """Prompt and completion tokens that the LLM reader used for a document."""
    extracted = journey.result("extract")
    if extracted is None:
        return 0, 0
    digests = from_json(Extracted, shop.store.get(extracted)).llm_attempts
    attempts = [from_json(LlmAttempt, shop.store.get(digest)) for digest in digests]
    return sum(one.prompt_tokens for one in attempts), sum(one.completion_tokens for one in attempts)
