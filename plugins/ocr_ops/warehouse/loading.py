"""Load outcomes, many documents in one transaction; safe to repeat, to kill and to run many times at once.

Loading is a merge on the document's natural key: whoever loads a document holds its lock, compares content digests,
and writes all rows of a new version or none (`merging`). A document that Postgres refuses loses only itself: its
batch is rolled back and loaded again in halves. What the audit store kept is linked by rows that are only ever added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from sqlalchemy import Connection, Table, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert

from ocr_ops.cells import Cell
from ocr_ops.errors import TerminalError
from ocr_ops.model import Digest, Outcome, Status
from ocr_ops.rows import Extras, Shape, rows_of, sighting_row, uri_key
from ocr_ops.tables import TYPED, ingest
from ocr_ops.tables.columns import DigestText
from ocr_ops.warehouse.bulk import insert_new
from ocr_ops.warehouse.connecting import open_engine, postgres_errors
from ocr_ops.warehouse.listed import Stamp, note_listed, unchanged
from ocr_ops.warehouse.merging import Item, LoadResult, Occasion, merge, run_document
from ocr_ops.warehouse.reading import (
    DocumentLine,
    RunSummary,
    document_story,
    lines_by_key,
    lines_of_run,
    page_of_run,
    run_summary,
    was_met,
)
from ocr_ops.warehouse.versions import Decision, Difference, discard, promote, proposed_differences

TOGETHER = 100
"""Documents in one transaction: more are hardly faster, and each holds two locks of the server's shared table."""


@dataclass(frozen=True, slots=True)
class Load:
    """One outcome to load, with what the audit store knows of it and what decided the result."""

    outcome: Outcome
    extras: Extras | None = None
    processed_key: Digest | None = None


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

    def __init__(self, url: str, *, pool_size: int = 2, tenant: str = "main") -> None:
        self._tenant = tenant
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
            connection.execute(_INSERT_RUN, {**row, "params": dict(params or {})})

    def finish_run(self, run_id: str, *, finished_at: datetime) -> RunSummary:
        """Close a run and count what became of its documents; closing it again counts again."""
        with postgres_errors(), self._engine.begin() as connection:
            connection.execute(_FINISH_RUN, {"run_id": run_id, "finished_at": finished_at})
            return run_summary(connection, run_id)

    def known(self, keys: Sequence[str]) -> dict[str, Known]:
        """Which documents the warehouse holds, by digest or `rows.uri_key`, in one query."""
        with postgres_errors(), self._engine.connect() as connection:
            return _known(connection, keys)

    def tenants(self, keys: Sequence[str]) -> dict[str, str]:
        """Whose documents these are, by key; unknown ones are left out."""
        with postgres_errors(), self._engine.connect() as connection:
            found = connection.execute(_TENANTS, {"keys": list(keys)})
            return {row.document_key: row.tenant for row in found}

    def unchanged(self, stamps: Sequence[Stamp]) -> dict[str, str]:
        """Which files look as when they were opened last and are held since: place -> document, in one query."""
        with postgres_errors(), self._engine.connect() as connection:
            return unchanged(connection, stamps)

    def note_listed(self, opened: Sequence[tuple[Stamp, str]]) -> None:
        """Remember how files looked when they were opened, and which documents they were."""
        with postgres_errors(), self._engine.begin() as connection:
            note_listed(connection, opened)

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
            insert_new(connection, ingest.sightings, sightings)
            seen = [
                run_document(run_id, k, place, known[k].status, False, seen_at, {}) for k, place, _ in keyed
            ]
            insert_new(connection, ingest.run_documents, seen)

    def load(
        self,
        outcome: Outcome,
        *,
        run_id: str,
        loaded_at: datetime,
        processed_key: Digest | None = None,
        extras: Extras | None = None,
        by: str = "pipeline",
        reason: str | None = None,
    ) -> LoadResult:
        """Make the warehouse hold this outcome, in one transaction. The run must have been started.

        `by` and `reason` say who changed the document and why, where this makes a new version of it.
        """
        occasion = Occasion(run_id, loaded_at, by, reason, self._tenant)
        with postgres_errors():
            return self._merge([_item(Load(outcome, extras, processed_key))], occasion)[0]

    def load_many(
        self,
        loads: Sequence[Load],
        *,
        run_id: str,
        loaded_at: datetime,
        by: str = "pipeline",
        reason: str | None = None,
    ) -> list[LoadResult]:
        """The same for many documents, up to TOGETHER in a transaction; results in the order given.

        A document that Postgres refuses is reported in its result (`refused`) and costs no other document.
        """
        return self._merge_all(loads, Occasion(run_id, loaded_at, by, reason, self._tenant))

    def propose(
        self, loads: Sequence[Load], *, run_id: str, made_at: datetime, by: str = "pipeline", reason: str
    ) -> list[LoadResult]:
        """Write what differs from what counts as proposed versions, which no reader sees until they are promoted.

        A document that gave the same again gets none; a proposal that waits is replaced; an unknown document is loaded.
        """
        return self._merge_all(loads, Occasion(run_id, made_at, by, reason, self._tenant, propose=True))

    def differences(self, keys: Sequence[str] | None = None) -> list[Difference]:
        """What the proposals that wait would change, field by field, with evidence; of these documents or of all."""
        with postgres_errors(), self._engine.connect() as connection:
            return proposed_differences(connection, keys)

    def promote(self, keys: Sequence[str], *, by: str, reason: str, at: datetime) -> list[Decision]:
        """Let the proposals of these documents count from now on, all at once for every reader, or none of them.

        TerminalError when one of them was made against a version that no longer counts: propose again.
        """
        with postgres_errors(), self._engine.begin() as connection:
            return promote(connection, keys, by=by, reason=reason, at=at)

    def discard(self, keys: Sequence[str], *, by: str, reason: str, at: datetime) -> list[Decision]:
        """Set the proposals of these documents aside; they stay readable as discarded versions."""
        with postgres_errors(), self._engine.begin() as connection:
            return discard(connection, keys, by=by, reason=reason, at=at)

    def _merge_all(self, loads: Sequence[Load], occasion: Occasion) -> list[LoadResult]:
        results: list[LoadResult] = []
        for batch in _batches(loads):
            results += self._merge_or_halve(batch, occasion)
        return results

    def _merge_or_halve(self, items: Sequence[Item], occasion: Occasion) -> list[LoadResult]:
        try:
            with postgres_errors():
                return self._merge(items, occasion)
        except TerminalError as problem:
            if len(items) > 1:
                half = len(items) // 2
                first = self._merge_or_halve(items[:half], occasion)
                return first + self._merge_or_halve(items[half:], occasion)
            rows = items[0].rows
            return [LoadResult(rows.key, rows.status, changed=False, refused=str(problem))]

    def _merge(self, items: Sequence[Item], occasion: Occasion) -> list[LoadResult]:
        with self._engine.begin() as connection:
            return merge(connection, items, occasion)

    def documents_of_run(self, run_id: str) -> list[DocumentLine]:
        """What a person wants to see after a run, one line a document, in the order of their names."""
        with postgres_errors(), self._engine.connect() as connection:
            return lines_of_run(connection, run_id)

    def page_of_run(
        self, dag_id: str, run_id: str, *, most: int
    ) -> tuple[RunSummary | None, list[DocumentLine]]:
        """A run of a DAG counted as it is now, and its first documents, those that are not accepted before the others."""
        with postgres_errors(), self._engine.connect() as connection:
            return page_of_run(connection, dag_id, run_id, most)

    def was_met(self, dag_id: str, run_id: str, key: str) -> bool:
        """Whether that run of that DAG met the document."""
        with postgres_errors(), self._engine.connect() as connection:
            return was_met(connection, dag_id, run_id, key)

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

_INSERT_RUN = insert(ingest.runs).on_conflict_do_nothing()

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

_TENANTS = select(ingest.documents.c.document_key, ingest.documents.c.tenant).where(
    ingest.documents.c.document_key == any_(bindparam("keys", type_=ARRAY(DigestText)))
)
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


def _item(load: Load) -> Item:
    return Item(load.outcome, rows_of(load.outcome, SHAPES, load.extras), load.processed_key)


def _batches(loads: Sequence[Load]) -> Iterator[list[Item]]:
    """At most TOGETHER documents each; what concerns a document or place again comes in a later batch."""
    batch: list[Item] = []
    taken: set[str] = set()
    for load in loads:
        item = _item(load)
        keys = {item.rows.key, item.rows.uri_key}
        if len(batch) == TOGETHER or taken & keys:
            yield batch
            batch, taken = [], set()
        batch.append(item)
        taken |= keys
    if batch:
        yield batch


def _known(connection: Connection, keys: Sequence[str]) -> dict[str, Known]:
    found = connection.execute(_KNOWN, {"keys": list(dict.fromkeys(keys))})
    return {
        row.document_key: Known(
            row.document_key, Status(row.status), row.doc_type, row.content_digest, row.processed_key
        )
        for row in found
    }
