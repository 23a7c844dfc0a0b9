"""Merge a batch of documents into the warehouse, inside the caller's transaction: all of them or none.

Whoever writes a document holds its lock until the transaction ends. A document whose content digest is the one that
counts already is left alone, row by row; any other gets a new version, and rows of versions are only ever added.
Locks are taken in one order everywhere (documents by key, shared rows by key, then the audit chain), so that loaders
wait for each other and never deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from ocr_ops.model import Digest, Outcome, Status
from ocr_ops.rows import DocumentRows, Row
from ocr_ops.tables import audit, extraction, ingest, metadata
from ocr_ops.warehouse import chain
from ocr_ops.warehouse.bulk import as_json, copy_rows, insert_new, upsert
from ocr_ops.warehouse.chain import ChainEvent, EventKind

FIRST_LOAD = "first load"
LOADED_AGAIN = "loaded again with another result"

_OF_VERSION = [
    table
    for table in metadata.sorted_tables
    if "version" in table.primary_key.columns and table is not extraction.records
]


@dataclass(frozen=True, slots=True)
class Occasion:
    """When rows are written, in which run, by whom and why; `propose`: what differs waits to be promoted."""

    run_id: str
    at: datetime
    by: str = "pipeline"
    reason: str | None = None
    tenant: str = "main"
    propose: bool = False


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What loading did. `changed` is False when the warehouse held exactly this already.

    `version` is the version of the document that holds it, and `proposed` says that it waits to be promoted. `refused`
    says in words why Postgres did not take this document; nothing of it was loaded then.
    """

    document_key: str
    status: Status
    changed: bool
    version: int = 0
    proposed: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a batch, laid out as rows."""

    outcome: Outcome
    rows: DocumentRows
    processed_key: Digest | None = None


@dataclass(frozen=True, slots=True)
class _Before:
    """What the warehouse held of a document before this batch."""

    version: int = 0
    """Highest version there is, 0 for a document that is not known."""
    current: int = 0
    content_digest: str | None = None
    processed_key: str | None = None
    superseded_by: str | None = None
    proposed_digest: str | None = None
    proposed: int = 0


@dataclass(frozen=True, slots=True)
class _Planned:
    """What will be done with one document."""

    item: Item
    before: _Before
    same: bool
    proposal: bool

    @property
    def version(self) -> int:
        if not self.same:
            return self.before.version + 1
        return self.before.proposed if self.proposal else self.before.current

    @property
    def changed(self) -> bool:
        return not self.same and not self.proposal


def merge(connection: Connection, items: Sequence[Item], occasion: Occasion) -> list[LoadResult]:
    """Make the warehouse hold these outcomes; no two of them may share a key or a place."""
    lock(connection, (key for item in items for key in (item.rows.key, item.rows.uri_key)))
    known = _before(connection, [item.rows.key for item in items])
    plans = [_planned(item, known.get(item.rows.key, _Before()), occasion) for item in items]
    _write_versions(connection, [plan for plan in plans if not plan.same], occasion)
    _note_processed(connection, [plan for plan in plans if plan.same and not plan.proposal])
    _supersede(connection, items)
    _note_seen(connection, plans, occasion)
    manifests = _link(connection, plans, occasion)
    chain.append(connection, [event for plan in plans for event in _events(plan, manifests, occasion)])
    return [
        LoadResult(
            plan.item.rows.key,
            plan.item.rows.status,
            changed=not plan.same,
            version=plan.version,
            proposed=plan.proposal,
        )
        for plan in plans
    ]


def lock(connection: Connection, keys: Iterable[str]) -> None:
    """Hold documents and places until the transaction ends; in one order, so that two loaders cannot deadlock."""
    connection.execute(_LOCK_KEYS, {"keys": sorted(set(keys))})


_LOCK_KEYS = text("select pg_advisory_xact_lock(hashtextextended(k, 0)) from unnest(cast(:keys as text[])) k")

_BEFORE = text("""
select d.document_key, d.version as current, d.content_digest, d.processed_key, d.superseded_by,
  p.content_digest as proposed_digest, coalesce(p.version, 0) as proposed,
  (select max(r.version) from extraction.records r where r.document_key = d.document_key) as version
from ingest.documents d
left join extraction.records p on p.document_key = d.document_key and p.state = 'proposed'
where d.document_key = any(cast(:keys as text[]))
""")


def _before(connection: Connection, keys: Sequence[str]) -> dict[str, _Before]:
    found = connection.execute(_BEFORE, {"keys": list(keys)}).mappings()
    return {row["document_key"]: _Before(**{k: row[k] for k in row if k != "document_key"}) for row in found}


def _planned(item: Item, before: _Before, occasion: Occasion) -> _Planned:
    """What counts already is left alone, and so is a proposal that waits already; a new document is loaded at once."""
    digest = item.rows.content_digest
    counts = (before.content_digest, before.superseded_by) == (digest, None)
    if not occasion.propose or before.version == 0:
        return _Planned(item, before, same=counts, proposal=False)
    waits = not counts and before.proposed_digest == digest
    return _Planned(item, before, same=counts or waits, proposal=not counts)


# --- versions ---


def _write_versions(connection: Connection, plans: Sequence[_Planned], occasion: Occasion) -> None:
    if not plans:
        return
    changing = [plan for plan in plans if plan.changed]
    known = [plan.item.rows.key for plan in changing if plan.before.version]
    if known:
        connection.execute(CLOSE_CURRENT, {"keys": known, "at": occasion.at})
    replaced = [plan.item.rows.key for plan in plans if plan.proposal and plan.before.proposed]
    if replaced:
        words = {"by": occasion.by, "reason": "replaced by a later proposal"}
        connection.execute(DISCARD, {"keys": replaced, "at": occasion.at, **words})
    documents = [_document(plan, occasion) for plan in changing]
    upsert(connection, ingest.documents, documents, keep=("uri", "name", "first_seen_at", "tenant"))
    copy_rows(connection, extraction.records, [_record(plan, occasion) for plan in plans])
    for table in _OF_VERSION:
        rows = [
            {**row, "version": plan.version}
            for plan in plans
            for row in plan.item.rows.children.get(table.fullname, ())
        ]
        copy_rows(connection, table, rows)


CLOSE_CURRENT = text("""
update extraction.records set valid_to = greatest(valid_from, cast(:at as timestamptz))
where document_key = any(cast(:keys as text[])) and state = 'promoted' and valid_to is null
""")

DISCARD = text("""
update extraction.records set state = 'discarded', decided_at = :at, decided_by = :by, decision_reason = :reason
where document_key = any(cast(:keys as text[])) and state = 'proposed'
returning document_key, version, manifest_digest
""")


def _document(plan: _Planned, occasion: Occasion) -> Row:
    return {
        **plan.item.rows.document,
        "content_digest": plan.item.rows.content_digest,
        "processed_key": plan.item.processed_key,
        "superseded_by": None,
        "first_seen_at": occasion.at,
        "loaded_at": occasion.at,
        "version": plan.version,
        "tenant": occasion.tenant,
    }


def _record(plan: _Planned, occasion: Occasion) -> Row:
    rows = plan.item.rows
    return {
        **rows.children[extraction.records.fullname][0],
        "version": plan.version,
        "state": "proposed" if plan.proposal else "promoted",
        "valid_from": None if plan.proposal else occasion.at,
        "made_at": occasion.at,
        "made_by": occasion.by,
        "reason": occasion.reason or (LOADED_AGAIN if plan.before.version else FIRST_LOAD),
        "run_id": occasion.run_id,
        "content_digest": rows.content_digest,
        "base_version": plan.before.current or None,
    }


# --- what surrounds a version ---


def _note_processed(connection: Connection, plans: Sequence[_Planned]) -> None:
    told = [
        {"document_key": plan.item.rows.key, "processed_key": plan.item.processed_key}
        for plan in plans
        if plan.item.processed_key not in (None, plan.before.processed_key)
    ]
    if told:
        connection.execute(_PROCESSED, {"rows": as_json(told)})


_PROCESSED = text("""
update ingest.documents d set processed_key = n.processed_key
from json_to_recordset(cast(:rows as json)) n (document_key text, processed_key text)
where d.document_key = n.document_key
""")


def _supersede(connection: Connection, items: Sequence[Item]) -> None:
    places = [
        {"place": item.rows.uri_key, "key": item.rows.key}
        for item in items
        if item.rows.key != item.rows.uri_key
    ]
    if places:
        connection.execute(_SUPERSEDE, {"rows": as_json(places)})


_SUPERSEDE = text("""
update ingest.documents d set superseded_by = n.key
from json_to_recordset(cast(:rows as json)) n (place text, key text)
where d.document_key = n.place and d.superseded_by is distinct from n.key
""")


def _note_seen(connection: Connection, plans: Sequence[_Planned], occasion: Occasion) -> None:
    """That this run met these documents, and where; in the order of keys, as `Warehouse.note_seen` writes them."""
    plans = sorted(plans, key=lambda plan: (plan.item.rows.key, plan.item.rows.uri_key))
    sightings = [{**plan.item.rows.sighting, "first_seen_at": occasion.at} for plan in plans]
    insert_new(connection, ingest.sightings, sightings)
    seen = [
        run_document(
            occasion.run_id,
            plan.item.rows.key,
            plan.item.rows.uri_key,
            plan.item.rows.status,
            plan.changed,
            occasion.at,
            plan.item.outcome.timings,
        )
        for plan in plans
    ]
    insert_new(connection, ingest.run_documents, seen)
    # not one upsert with the insert: that would lock, and so write, rows that need no change
    connection.execute(_UPDATE_SEEN, {"rows": as_json(seen), "run_id": occasion.run_id})


_UPDATE_SEEN = text("""
update ingest.run_documents r set status = n.status, changed = r.changed or n.changed
from json_populate_recordset(null::ingest.run_documents, cast(:rows as json)) n
where r.run_id = :run_id and r.document_key = n.document_key and r.uri_key = n.uri_key
  and (r.status <> n.status or (n.changed and not r.changed))
""")


def run_document(
    run_id: str,
    key: str,
    place: str,
    status: Status,
    changed: bool,
    seen_at: datetime,
    timings: Any,
) -> Row:
    """That a run met a document, as a row."""
    return {
        "run_id": run_id,
        "document_key": key,
        "uri_key": place,
        "status": status.value,
        "changed": changed,
        "seen_at": seen_at,
        "timings": dict(timings),
    }


def _link(connection: Connection, plans: Sequence[_Planned], occasion: Occasion) -> set[str]:
    """Add what is new of what was kept; the manifests that were not there.

    Artifacts are shared by documents, so all come in the order of their digests.
    """
    at, run_id = occasion.at, occasion.run_id
    items = [plan.item for plan in plans]
    made = _by_digest(row for item in items for row in item.rows.artifacts)
    insert_new(connection, audit.artifacts, [{**row, "first_linked_at": at} for row in made])
    noted = {"run_id": run_id, "linked_at": at}
    # nothing can be linked yet to a document that was not there a moment ago
    for write, is_new in ((copy_rows, True), (insert_new, False)):
        some = [plan.item.rows.links for plan in plans if (plan.before.version == 0) is is_new]
        write(connection, audit.links, [{**row, **noted} for links in some for row in links])
    manifests = {item.rows.manifest: _manifest(item.rows, occasion) for item in items if item.rows.manifest}
    fresh = insert_new(connection, audit.manifests, [manifests[digest] for digest in sorted(manifests)])
    calls = _by_digest(row for item in items for row in item.rows.calls)
    insert_new(connection, ingest.model_calls, [{**row, "run_id": run_id, "noted_at": at} for row in calls])
    return fresh


def _by_digest(rows: Iterable[Row]) -> list[Row]:
    """Rows that documents share, each once as the first document has it, in the order of their digests."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["digest"], row)
    return [first[digest] for digest in sorted(first)]


def _events(plan: _Planned, manifests: Collection[str], occasion: Occasion) -> Iterator[ChainEvent]:
    """What the chain keeps of one document: a processing it has not seen, and a proposal that was made."""
    rows = plan.item.rows
    if rows.manifest is not None and rows.manifest in manifests:
        yield chain.loaded(
            rows.key,
            manifest=rows.manifest,
            content=rows.content_digest,
            version=plan.version,
            run_id=occasion.run_id,
        )
    if plan.proposal and not plan.same:
        payload = {"version": plan.version, "content": rows.content_digest, "manifest": rows.manifest}
        yield ChainEvent(EventKind.PROPOSED, rows.key, payload)


def _manifest(rows: DocumentRows, occasion: Occasion) -> Row:
    return {
        "digest": rows.manifest,
        "document_key": rows.key,
        "run_id": occasion.run_id,
        "content_digest": rows.content_digest,
        "loaded_at": occasion.at,
    }
