"""A folder and an order -> batches of what is new, kept in the audit store; and what such a run would be, without it.

Planning twice gives the same batches, unless files came or were loaded meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ocr_ops.codec import canonical_json, to_json, to_plain
from ocr_ops.model import Digest, SourceDocument, Stage, Status
from ocr_ops.pipeline.journey import Batch, Journey, Order
from ocr_ops.pipeline.listing import Look, look_through, unknown
from ocr_ops.pipeline.weighing import shared_out
from ocr_ops.pipeline.workshop import Event, Workshop
from ocr_ops.warehouse import Warehouse


def plan(
    shop: Workshop, folder: Path, order: Order, *, run_id: str, dag_id: str, note_known: bool = True
) -> list[str]:
    """List a folder, leave out what is known, store the rest in batches; returns their digests. Starts the run.

    `note_known` records that this run met known documents; a schedule that looks every minute does without.
    """
    with Warehouse(shop.settings.database_url, tenant=order.tenant) as warehouse:
        look, fresh = _news(shop, warehouse, folder, order)
        if fresh or note_known:
            params = {"folder": str(folder), **to_plain(order)}
            warehouse.start_run(run_id, trigger="airflow", started_at=_now(), dag_id=dag_id, params=params)
        if note_known:
            warehouse.note_seen(_met(look, fresh), run_id=run_id, seen_at=_now())
        if note_known and not fresh:
            warehouse.finish_run(run_id, finished_at=_now())
        warehouse.note_listed(look.stamps)
    words = f"{len(fresh)} new of {look.found} documents"
    shop.report(Event(Stage.FIND, folder.name, len(fresh), look.found, words))
    return store_batches(shop, order, fresh)


def store_batches(shop: Workshop, order: Order, journeys: Sequence[Journey]) -> list[str]:
    """Share documents out in batches and keep these; returns their digests."""
    batches = shared_out(journeys, most=order.batch_size)
    return [shop.store.put(to_json(Batch(order, part, len(journeys)))) for part in batches]


def store_plan(shop: Workshop, batches: Sequence[str]) -> str:
    """Keep the digests of a run's batches in order; returns the digest of that list."""
    return shop.store.put(canonical_json(list(batches)))


def batch_of(shop: Workshop, plan: str, number: int) -> str:
    """The digest of one batch of a plan, counted from 0."""
    return str(json.loads(shop.store.get(Digest(plan)))[number])


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do."""

    found: int
    known: int
    unreadable: int
    new: int
    batches: int
    pages: int
    """Expected pages of the new ones."""


def forecast(shop: Workshop, folder: Path, order: Order) -> Forecast:
    """What `plan` would find now; changes nothing."""
    with Warehouse(shop.settings.database_url, tenant=order.tenant) as warehouse:
        look, fresh = _news(shop, warehouse, folder, order)
    readable = [journey for journey in fresh if journey.status is not Status.QUARANTINED]
    return Forecast(
        found=look.found,
        known=look.found - len(fresh),
        unreadable=len(fresh) - len(readable),
        new=len(readable),
        batches=sum(1 for _ in shared_out(fresh, most=order.batch_size)),
        pages=sum(journey.pages_expected for journey in readable),
    )


def _news(shop: Workshop, warehouse: Warehouse, folder: Path, order: Order) -> tuple[Look, list[Journey]]:
    """What lies there, and what of it is to be done."""
    look = look_through(shop, folder, warehouse=warehouse, open_all=order.reprocess)
    fresh = list(look.opened) if order.reprocess else unknown(warehouse, look.opened)
    if not order.limit or len(fresh) <= order.limit:
        return look, fresh
    left = {journey.uri for journey in fresh[order.limit :]}
    opened = tuple(journey for journey in look.opened if journey.uri not in left)
    return replace(look, opened=opened), fresh[: order.limit]


def _met(look: Look, fresh: Sequence[Journey]) -> list[SourceDocument]:
    """Known documents; an unreadable one is known by its place alone."""
    new = {journey.uri for journey in fresh}
    opened = [
        journey.source or SourceDocument(journey.uri, journey.name, Digest(""), "", journey.size_bytes)
        for journey in look.opened
        if journey.uri not in new
    ]
    return [*opened, *look.unchanged]


def _now() -> datetime:
    return datetime.now(UTC)
