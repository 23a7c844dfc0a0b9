"""A folder and an order -> batches of what is new, kept in the audit store; and what such a run would be, without it.

Planning twice gives the same batches, unless files came or were loaded meanwhile.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ocr_ops.audit import MAIN
from ocr_ops.codec import canonical_json, to_json, to_plain
from ocr_ops.model import Digest, SourceDocument, Stage, Status
from ocr_ops.pipeline.journey import Batch, Journey, Order
from ocr_ops.pipeline.listing import Look, key_of, looks, unknown
from ocr_ops.pipeline.scratch import Scratch
from ocr_ops.pipeline.weighing import lengths, shared_out
from ocr_ops.pipeline.workshop import Event, Workshop
from ocr_ops.source import Place
from ocr_ops.warehouse import Warehouse


def plan(
    shop: Workshop,
    place: Place,
    order: Order,
    *,
    run_id: str,
    dag_id: str,
    note_known: bool = True,
    readers: int = 0,
) -> list[str]:
    """List a folder or a bucket, leave out what is known, store the rest in batches; returns their digests. Starts the run.

    `note_known` records that this run met known documents; a schedule that looks every minute does without. `readers`: tasks
    that will read side by side, where that is not the usual number.
    """
    params = {"folder": str(place), **to_plain(order)}
    begin = partial(Warehouse.start_run, trigger="airflow", started_at=_now(), dag_id=dag_id, params=params)
    found = 0
    with Warehouse(shop.settings.database_url, tenant=order.tenant) as warehouse, Scratch() as todo:
        for look, fresh in _news(shop, warehouse, place, order):
            found += look.found
            todo.add(fresh)
            if note_known:
                begin(warehouse, run_id)
                warehouse.note_seen(_met(look, fresh), run_id=run_id, seen_at=_now())
            warehouse.note_listed(look.stamps)
        new = todo.count
        if new or note_known:
            begin(warehouse, run_id)
        if not new and note_known:
            warehouse.finish_run(run_id, finished_at=_now())
        shop.report(Event(Stage.FIND, Path(str(place)).name, new, found, f"{new} new of {found} documents"))
        return _store_noted(shop, order, todo, readers)


def _store_noted(shop: Workshop, order: Order, todo: Scratch, readers: int) -> list[str]:
    """Share noted documents out in batches and keep these, one in memory at a time; returns their digests."""
    pages, sizes = todo.weights()
    shares = lengths(pages, sizes, most=order.batch_size, **_readers(shop, order, readers))
    return [keep_batch(shop, order, batch_json(order, part, len(pages))) for part in todo.parts(shares)]


def keep_batch(shop: Workshop, order: Order, batch: bytes) -> str:
    """Keep a batch where its tenant's things are; returns its digest, with the tenant behind it where that is not the main one."""
    digest = shop.for_tenant(order.tenant).store.put(batch)
    return digest if order.tenant == MAIN else f"{digest}@{order.tenant}"


def batch_json(order: Order, documents: Sequence[bytes], of: int) -> bytes:
    """A `Batch` as `to_json` writes it, put together from the JSON of its documents."""
    return b'{"documents":[%b],"of":%d,"order":%b}' % (b",".join(documents), of, to_json(order))


def store_batches(shop: Workshop, order: Order, journeys: Sequence[Journey]) -> list[str]:
    """Share documents that are known out in batches, each of one tenant's, and keep these; returns their digests."""
    with Warehouse(shop.settings.database_url) as warehouse:
        tenants = warehouse.tenants([key_of(journey) for journey in journeys])
    kept = []
    for tenant in sorted({tenants.get(key_of(journey), order.tenant) for journey in journeys}):
        own = replace(order, tenant=tenant)
        part = [one for one in journeys if tenants.get(key_of(one), order.tenant) == tenant]
        for batch in shared_out(part, most=order.batch_size, **_readers(shop, order)):
            kept.append(keep_batch(shop, own, to_json(Batch(own, batch, len(journeys)))))
    return kept


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


def forecast(shop: Workshop, place: Place, order: Order) -> Forecast:
    """What `plan` would find now; changes nothing."""
    found = unreadable = readable_pages = 0
    pages, sizes = array("q"), array("q")
    with Warehouse(shop.settings.database_url, tenant=order.tenant) as warehouse:
        for look, fresh in _news(shop, warehouse, place, order):
            found += look.found
            for journey in fresh:
                pages.append(journey.pages_expected)
                sizes.append(journey.size_bytes)
                if journey.status is Status.QUARANTINED:
                    unreadable += 1
                else:
                    readable_pages += journey.pages_expected
    shares = lengths(pages, sizes, most=order.batch_size, **_readers(shop, order))
    return Forecast(
        found=found,
        known=found - len(pages),
        unreadable=unreadable,
        new=len(pages) - unreadable,
        batches=len(shares),
        pages=readable_pages,
    )


def _readers(shop: Workshop, order: Order, readers: int = 0) -> dict[str, int]:
    """How many tasks read side by side (0: the usual number), and how many pages each keeps going."""
    return {"readers": readers or shop.readers(order.engine), "in_flight": shop.pages_in_flight(order.engine)}


def _news(
    shop: Workshop, warehouse: Warehouse, place: Place, order: Order
) -> Iterator[tuple[Look, list[Journey]]]:
    """What lies there, part by part, and what of each is to be done; nothing more once the order's limit is reached."""
    left = order.limit or sys.maxsize
    for look in looks(shop.for_tenant(order.tenant), place, warehouse=warehouse, open_all=order.reprocess):
        fresh = list(look.opened) if order.reprocess else unknown(warehouse, look.opened)
        if len(fresh) > left:
            beyond = {journey.uri for journey in fresh[left:]}
            look = replace(look, opened=tuple(one for one in look.opened if one.uri not in beyond))
            fresh = fresh[:left]
        yield look, fresh
        left -= len(fresh)
        if not left:
            return


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
