"""Many documents one step further: what Airflow tasks and the command line call. Digest in, digest out.

`planning` lists a folder and stores batches; `read_batch`, `extract_batch` and `load_batch` take the digest of a batch and
return the digest (or counts) of what it became. All of them may be run again at any time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ocr_ops.audit import MAIN
from ocr_ops.codec import from_json, to_json
from ocr_ops.errors import TerminalError
from ocr_ops.model import Digest, Stage
from ocr_ops.ocr import Room, worst_of
from ocr_ops.pipeline import quality, steps
from ocr_ops.pipeline.journey import Batch, Journey, Order
from ocr_ops.pipeline.opening import open_document
from ocr_ops.pipeline.outcome import outcome_of
from ocr_ops.pipeline.planning import keep_batch
from ocr_ops.pipeline.workshop import Event, Workshop
from ocr_ops.warehouse import Load, RunSummary, Warehouse

DOCUMENTS_AT_ONCE = 4
"""Documents of a batch that are worked on side by side; more where the OCR engine reads more pages at once."""


def read_batch(shop: Workshop, batch: str) -> str:
    """Open, read and render every document of a batch; one that keeps its reading passes as it is."""
    if _fetch(shop, batch).order.keep_reading:
        return batch
    return _forward(shop, batch, read_documents)


def extract_batch(shop: Workshop, batch: str) -> str:
    """Propose and judge the fields of every document of a batch."""
    return _forward(shop, batch, extract_documents)


def load_batch(shop: Workshop, batch: str, *, run_id: str, propose: bool = False) -> dict[str, int]:
    """Load every document of a batch, each whole or not at all; returns how many ended in which status.

    `propose`: what differs from what counts waits for a decision; counted are "proposed" and "same" then.

    TerminalError when Postgres refused a document; the others are loaded then all the same.
    """
    statuses: Counter[str] = Counter()
    fetched = _fetch(shop, batch)
    documents, shop = fetched.documents, shop.for_tenant(fetched.order.tenant)
    loads = [Load(*outcome_of(shop, journey)) for journey in documents]
    with Warehouse(shop.settings.database_url, tenant=fetched.order.tenant) as warehouse:
        if propose:
            reason = fetched.order.reason
            results = warehouse.propose(loads, run_id=run_id, made_at=now(), reason=reason)
        else:
            results = warehouse.load_many(loads, run_id=run_id, loaded_at=now())
    for number, (journey, result) in enumerate(zip(documents, results, strict=True), start=1):
        became = str(result.status) if not propose else "proposed" if result.proposed else "same"
        statuses[became] += 1
        words = result.refused or became
        shop.report(Event(Stage.LOAD, journey.name, number, len(documents), words))
    refused = [result.refused for result in results if result.refused]
    if refused:
        raise TerminalError(f"{len(refused)} of {len(results)} documents were not loaded: {refused[0]}")
    return dict(statuses)


def compare_batch(shop: Workshop, batch: str) -> dict[str, int]:
    """Compare every document of a batch with what counts of it; changes nothing."""
    return quality.compare_batch(shop, _fetch(shop, batch))


def finish(shop: Workshop, run_id: str) -> RunSummary:
    """Close a run and count what became of its documents."""
    with Warehouse(shop.settings.database_url) as warehouse:
        return warehouse.finish_run(run_id, finished_at=now())


def now() -> datetime:
    """The time of loading, with its zone; nothing but bookkeeping depends on it."""
    return datetime.now(UTC)


async def read_documents(shop: Workshop, order: Order, journeys: Sequence[Journey]) -> list[Journey]:
    """Open, read and render documents in the order given, as many at a time as keep the OCR engine busy."""
    engine = shop.engine(order.engine)
    in_flight = shop.pages_in_flight(order.engine)
    room = Room(in_flight)
    tiling = shop.tiling(order.engine)

    async def one(journey: Journey) -> Journey:
        if journey.result("open") is None:
            journey = await steps.isolated(Stage.OPEN, journey, partial(open_document, shop, tiling))
        read = partial(steps.read_pages, shop, engine, room)
        journey = await steps.isolated(Stage.READ, journey, read)
        journey = await steps.isolated(Stage.RENDER, journey, partial(steps.render_document, shop))
        shop.report(Event(Stage.READ, journey.name, 1, 1, str(journey.status or "read")))
        return journey

    try:
        return await _side_by_side(one, journeys, max(DOCUMENTS_AT_ONCE, in_flight))
    finally:
        await engine.close()


async def extract_documents(shop: Workshop, order: Order, journeys: Sequence[Journey]) -> list[Journey]:
    """Propose and judge the fields of documents, a few at a time, in the order given."""
    llm = shop.llm()
    if llm is not None:
        await llm.prepare()

    async def one(journey: Journey) -> Journey:
        journey = await steps.isolated(
            Stage.EXTRACT, journey, partial(steps.extract_fields, shop, llm, order)
        )
        journey = await steps.isolated(Stage.VALIDATE, journey, partial(steps.judge_fields, shop))
        shop.report(Event(Stage.EXTRACT, journey.name, 1, 1, str(journey.status or "judged")))
        return journey

    try:
        return await _side_by_side(one, journeys)
    finally:
        if llm is not None:
            await llm.close()


Forward = Callable[[Workshop, Order, Sequence[Journey]], Coroutine[Any, Any, list[Journey]]]


def _forward(shop: Workshop, digest: str, step: Forward) -> str:
    batch = _fetch(shop, digest)
    shop = shop.for_tenant(batch.order.tenant).for_part(len(batch.documents), batch.of)
    documents = asyncio.run(step(shop, batch.order, batch.documents))
    return keep_batch(shop, batch.order, to_json(replace(batch, documents=tuple(documents))))


def _fetch(shop: Workshop, digest: str) -> Batch:
    digest, _, tenant = digest.partition("@")
    return from_json(Batch, shop.for_tenant(tenant or MAIN).store.get(Digest(digest)))


async def _side_by_side(
    one: Callable[[Journey], Coroutine[Any, Any, Journey]],
    journeys: Iterable[Journey],
    at_once: int = DOCUMENTS_AT_ONCE,
) -> list[Journey]:
    gate = asyncio.Semaphore(at_once)

    async def in_turn(journey: Journey) -> Journey:
        async with gate:
            return await one(journey)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_turn(journey)) for journey in journeys]
    except BaseExceptionGroup as problems:
        raise worst_of(problems) from None
    return [task.result() for task in tasks]
