"""Load outcomes, one transaction per document; safe to repeat, to kill and to run many times at once.

Loading is an upsert on the document's natural key: whoever loads a document holds its lock, compares content digests,
and replaces all of its rows or none. What the audit store kept is linked by rows that are only ever added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from sqlalchemy import Connection, Table, any_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from ocr_ops.model import Digest, Outcome, Status
from ocr_ops.rows import Cell, DocumentRows, Extras, Row, Shape, rows_of, sighting_row, uri_key
from ocr_ops.tables import TYPED, audit, ingest, metadata
from ocr_ops.tables.columns import DigestText
from ocr_ops.warehouse.connecting import open_engine, postgres_errors
from ocr_ops.warehouse.reading import (
    DocumentLine,
    RunSummary,
    document_story,
    lines_by_key,
    lines_of_run,
    run_summary,
)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What loading did: `changed` is False when the warehouse held exactly this already."""

    document_key: str
    status: Status
    changed: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What the warehouse holds for some bytes. `processed_key` is what the loader was told decided the result."""

    document_key: str
    status: Status
    doc_type: str | None
    content_digest: Digest
    processed_key: Digest | None


class Seen(Protocol):
    """A document met in some place: a `SourceDocument`, an `Outcome`."""

    @property
    def uri(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> Digest | None: ...  # noqa: D102


class Warehouse:
    """A pool of connections to one warehouse. Methods raise WarehouseUnavailable (try again) or TerminalError."""

    def __init__(self, url: str, *, pool_size: int = 2) -> None:
        self._engine = open_engine(url, pool_size=pool_size, max_overflow=pool_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def start_run(
        self,
        run_id: str,
        *,
        trigger: str,
        started_at: datetime,
        dag_id: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """Open a run; a run that is open already stays as it is."""
        row = {"run_id": run_id, "trigger": trigger, "started_at": started_at, "dag_id": dag_id}
        with postgres_errors(), self._engine.begin() as connection:
            connection.execute(_INSERT_NEW[ingest.runs], {**row, "params": dict(params or {})})

    def finish_run(self, run_id: str, *, finished_at: datetime) -> RunSummary:
        """Close a run and count what became of its documents; closing it again counts again."""
        with postgres_errors(), self._engine.begin() as connection:
            connection.execute(_FINISH_RUN, {"run_id": run_id, "finished_at": finished_at})
            return run_summary(connection, run_id)

    def known(self, keys: Sequence[str]) -> dict[str, Known]:
        """Which documents the warehouse holds, by digest or `rows.uri_key`, in one query."""
        with postgres_errors(), self._engine.connect() as connection:
            return _known(connection, keys)

    def note_seen(self, met: Sequence[Seen], *, run_id: str, seen_at: datetime) -> None:
        """Record that a run met documents the warehouse knows already, and where; unknown ones are left out.

        What is known under its place (unreadable, or a repetition) is that document, else its bytes say which it is.
        """
        with postgres_errors(), self._engine.begin() as connection:
            places = {uri_key(one.uri): one for one in met}
            known = _known(connection, [*places, *(one.digest for one in met if one.digest)])
            keyed = [
                (place if place in known else one.digest or "", place, one) for place, one in places.items()
            ]
            keyed = sorted((k for k in keyed if k[0] in known), key=lambda k: k[:2])
            if not keyed:
                return
            sightings = [
                {**sighting_row(k, one.uri, one.name), "first_seen_at": seen_at} for k, _, one in keyed
            ]
            connection.execute(_INSERT_NEW[ingest.sightings], sightings)
            seen = [
                _run_document(run_id, k, place, known[k].status, False, seen_at, {}) for k, place, _ in keyed
            ]
            connection.execute(_INSERT_NEW[ingest.run_documents], seen)

    def load(
        self,
        outcome: Outcome,
        *,
        run_id: str,
        loaded_at: datetime,
        processed_key: Digest | None = None,
        extras: Extras | None = None,
    ) -> LoadResult:
        """Make the warehouse hold this outcome, in one transaction. The run must have been started."""
        rows = rows_of(outcome, SHAPES, extras)
        with postgres_errors(), self._engine.begin() as connection:
            _lock(connection, rows)
            changed = _load_document(connection, rows, loaded_at, processed_key)
            connection.execute(_INSERT_NEW[ingest.sightings], {**rows.sighting, "first_seen_at": loaded_at})
            _link(connection, rows, run_id, loaded_at)
            seen = _run_document(
                run_id, rows.key, rows.uri_key, rows.status, changed, loaded_at, outcome.timings
            )
            _note_run(connection, seen)
        return LoadResult(rows.key, rows.status, changed)

    def documents_of_run(self, run_id: str) -> list[DocumentLine]:
        """What a person wants to see after a run, one line a document, in the order of their names."""
        with postgres_errors(), self._engine.connect() as connection:
            return lines_of_run(connection, run_id)

    def lines(self, keys: Sequence[str]) -> list[DocumentLine]:
        """The same line for documents by key, in the order of the keys; unknown ones are left out."""
        with postgres_errors(), self._engine.connect() as connection:
            return lines_by_key(connection, keys)

    def document(self, key_or_prefix: str) -> dict[str, Any] | None:
        """Everything held about one document, by its key, the beginning of its key or hex digest, or its file name.

        None when there is none; TerminalError when several fit.
        """
        with postgres_errors(), self._engine.connect() as connection:
            return document_story(connection, key_or_prefix)


# --- shapes and statements ---


def _cells(table: Table) -> dict[str, Cell]:
    columns = [column for column in table.columns if "kind" in column.info]
    return {c.name: Cell(c.info["kind"], getattr(c.type, "length", None)) for c in columns}


SHAPES: dict[str, Shape] = {
    doc_type: Shape(header.fullname, lines.fullname, _cells(header), _cells(lines))
    for doc_type, (header, lines) in TYPED.items()
}
"""The typed tables by document type, as `rows` wants them."""

_INSERT_NEW = {table: insert(table).on_conflict_do_nothing() for table in metadata.sorted_tables}
_INSERT = {table.fullname: insert(table) for table in metadata.sorted_tables}


def _upsert_document() -> Any:
    """Where a document was seen first stays; everything else follows the last outcome."""
    kept = ("document_key", "uri", "name", "first_seen_at")
    new = insert(ingest.documents)
    changing = {c.name: new.excluded[c.name] for c in ingest.documents.columns if c.name not in kept}
    return new.on_conflict_do_update(index_elements=["document_key"], set_=changing)


_UPSERT_DOCUMENT = _upsert_document()

_UPDATE_RUN_DOCUMENT = text("""
update ingest.run_documents set status = :status, changed = changed or :changed
where run_id = :run_id and document_key = :document_key and uri_key = :uri_key
  and (status <> :status or (:changed and not changed))
""")

_FINISH_RUN = text("""
update ingest.runs r set finished_at = :finished_at, documents = c.documents, accepted = c.accepted,
  needs_review = c.needs_review, quarantined = c.quarantined, rejected = c.rejected, changed = c.changed
from (select count(*) as documents, count(*) filter (where status = 'accepted') as accepted,
  count(*) filter (where status = 'needs_review') as needs_review,
  count(*) filter (where status = 'quarantined') as quarantined,
  count(*) filter (where status = 'rejected') as rejected, count(*) filter (where changed) as changed
  from ingest.run_documents where run_id = :run_id) c
where r.run_id = :run_id
""")

_RUN_DOCUMENT_PARAMS = ("run_id", "document_key", "uri_key", "status", "changed")

_LOCK_KEYS = text("select pg_advisory_xact_lock(hashtextextended(k, 0)) from unnest(cast(:keys as text[])) k")

_BEFORE = select(
    ingest.documents.c.content_digest, ingest.documents.c.processed_key, ingest.documents.c.superseded_by
).where(ingest.documents.c.document_key == bindparam("key"))

_KNOWN = select(
    ingest.documents.c.document_key,
    ingest.documents.c.status,
    ingest.documents.c.doc_type,
    ingest.documents.c.content_digest,
    ingest.documents.c.processed_key,
).where(
    ingest.documents.c.document_key == any_(bindparam("keys", type_=ARRAY(DigestText))),
    ingest.documents.c.superseded_by.is_(None),
)

_SUPERSEDE = (
    update(ingest.documents)
    .where(ingest.documents.c.document_key == bindparam("place"))
    .where(ingest.documents.c.superseded_by.is_distinct_from(bindparam("key")))
    .values(superseded_by=bindparam("key"))
)

_DELETE_CHILDREN = (
    text("delete from ingest.pages where document_key = :key"),
    text("delete from extraction.problems where document_key = :key"),
    text(
        "delete from extraction.records where document_key = :key"
    ),  # its fields, rules and typed rows go along
)


# --- one document ---


def _lock(connection: Connection, rows: DocumentRows) -> None:
    """Hold the document and its place until the transaction ends; sorted, so that two loaders cannot deadlock."""
    connection.execute(_LOCK_KEYS, {"keys": sorted({rows.key, rows.uri_key})})


def _load_document(
    connection: Connection, rows: DocumentRows, loaded_at: datetime, processed_key: Digest | None
) -> bool:
    before = connection.execute(_BEFORE, {"key": rows.key}).one_or_none()
    same = before is not None and (before.content_digest, before.superseded_by) == (rows.content_digest, None)
    if not same:
        _replace(connection, rows, loaded_at, processed_key, is_new=before is None)
    elif before is not None and processed_key not in (None, before.processed_key):
        mine = ingest.documents.c.document_key == rows.key
        connection.execute(update(ingest.documents).where(mine).values(processed_key=processed_key))
    if rows.key != rows.uri_key:
        connection.execute(_SUPERSEDE, {"place": rows.uri_key, "key": rows.key})
    return not same


def _replace(
    connection: Connection,
    rows: DocumentRows,
    loaded_at: datetime,
    processed_key: Digest | None,
    *,
    is_new: bool,
) -> None:
    document = {
        **rows.document,
        "content_digest": rows.content_digest,
        "processed_key": processed_key,
        "superseded_by": None,
        "first_seen_at": loaded_at,
        "loaded_at": loaded_at,
    }
    connection.execute(_UPSERT_DOCUMENT, document)
    if not is_new:
        for statement in _DELETE_CHILDREN:
            connection.execute(statement, {"key": rows.key})
    for table, children in rows.children.items():
        if children:
            connection.execute(_INSERT[table], list(children))


def _link(connection: Connection, rows: DocumentRows, run_id: str, loaded_at: datetime) -> None:
    """Add what is new: artifacts in the order of their digests, since documents share some and loaders must not deadlock."""
    if not rows.links:
        return
    made = [{**row, "first_linked_at": loaded_at} for row in rows.artifacts]
    connection.execute(_INSERT_NEW[audit.artifacts], made)
    linked = [{**row, "run_id": run_id, "linked_at": loaded_at} for row in rows.links]
    connection.execute(_INSERT_NEW[audit.links], linked)
    if rows.manifest:
        manifest = {
            "digest": rows.manifest,
            "document_key": rows.key,
            "run_id": run_id,
            "loaded_at": loaded_at,
        }
        connection.execute(_INSERT_NEW[audit.manifests], {**manifest, "content_digest": rows.content_digest})


def _note_run(connection: Connection, seen: Row) -> None:
    """Insert or update, under the document's lock; an upsert would lock a row that needs no change, and so write it."""
    noted = connection.execute(
        _INSERT_NEW[ingest.run_documents], seen, execution_options={"preserve_rowcount": True}
    )
    if noted.rowcount == 0:
        connection.execute(_UPDATE_RUN_DOCUMENT, {name: seen[name] for name in _RUN_DOCUMENT_PARAMS})


def _run_document(
    run_id: str,
    key: str,
    place: str,
    status: Status,
    changed: bool,
    seen_at: datetime,
    timings: Mapping[str, float],
) -> Row:
    return {
        "run_id": run_id,
        "document_key": key,
        "uri_key": place,
        "status": status.value,
        "changed": changed,
        "seen_at": seen_at,
        "timings": dict(timings),
    }


def _known(connection: Connection, keys: Sequence[str]) -> dict[str, Known]:
    found = connection.execute(_KNOWN, {"keys": list(dict.fromkeys(keys))})
    return {
        row.document_key: Known(
            row.document_key, Status(row.status), row.doc_type, row.content_digest, row.processed_key
        )
        for row in found
    }
