"""The few questions the command line asks: what a run did, and everything about one document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from ocr_ops.errors import TerminalError
from ocr_ops.model import Status


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One document of a run, for a table. `party` is the merchant or the seller; `reasons` is words, or empty."""

    document_key: str
    name: str
    uri: str
    doc_type: str | None
    party: str | None
    document_date: date | None
    total: Decimal | None
    currency: str | None
    status: Status
    reasons: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A finished run, counted."""

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    documents: int
    accepted: int
    needs_review: int
    quarantined: int
    rejected: int
    changed: int

    def in_words(self) -> str:
        """The same in two sentences for a person."""
        return (
            f"{self.documents} documents: {self.accepted} accepted, {self.needs_review} held for a person, "
            f"{self.quarantined} that cannot be read, {self.rejected} rejected; {self.changed} of them new or changed. "
            "Look at marts.documents, and at marts.review_queue for those that wait."
        )


_OF_RUN = """
select d.document_key, coalesce(s.name, d.name) as name, coalesce(s.uri, d.uri) as uri, d.doc_type, d.party,
  d.document_date, d.total, d.currency, r.status, coalesce(d.reasons, '') as reasons, r.changed
from ingest.run_documents r
join marts.documents d using (document_key)
left join ingest.sightings s using (document_key, uri_key)
where r.run_id = :run_id
"""
_LINES = text(_OF_RUN + "order by name, uri")
_PAGE = text(_OF_RUN + "order by r.status = 'accepted', r.status, name, uri limit :most")
_COUNTS = text("""
select r.run_id, r.started_at, r.finished_at, count(c.status) as documents,
  count(*) filter (where c.status = 'accepted') as accepted, count(*) filter (where c.status = 'needs_review') as needs_review,
  count(*) filter (where c.status = 'quarantined') as quarantined, count(*) filter (where c.status = 'rejected') as rejected,
  count(*) filter (where c.changed) as changed
from ingest.runs r left join ingest.run_documents c using (run_id)
where r.run_id = :run_id and r.dag_id = :dag_id group by r.run_id
""")
_WAS_MET = text("""
select exists (
  select from ingest.run_documents c join ingest.runs r using (run_id)
  where r.run_id = :run_id and r.dag_id = :dag_id and c.document_key = :key
)
""")

_LINES_BY_KEY = text("""
select document_key, name, uri, doc_type, party, document_date, total, currency, status, coalesce(reasons, '') as reasons
from marts.documents where document_key = any(:keys)
""")

_RUN = text("""
select run_id, started_at, finished_at, documents, accepted, needs_review, quarantined, rejected, changed
from ingest.runs where run_id = :run_id
""")

_FIND = text("""
select document_key from ingest.documents
where document_key = :name or starts_with(document_key, :name) or starts_with(document_key, 'sha256:' || :name)
  or name = :name
order by document_key = :name desc, document_key limit 6
""")

_PARTS = {
    "pages": "select t.* from ingest.pages t join ingest.documents d using (document_key, version) where document_key = :key order by page",
    "record": "select t.* from extraction.records t join ingest.documents d using (document_key, version) where document_key = :key and t.record_digest is not null",
    "fields": "select t.* from extraction.fields t join ingest.documents d using (document_key, version) where document_key = :key order by position",
    "boxes": "select t.* from extraction.field_boxes t join ingest.documents d using (document_key, version) where document_key = :key order by t.field, t.position",
    "rules": "select t.* from extraction.rule_results t join ingest.documents d using (document_key, version) where document_key = :key order by position",
    "problems": "select t.* from extraction.problems t join ingest.documents d using (document_key, version) where document_key = :key order by position",
    "versions": "select version, state, status, valid_from, valid_to, made_at, made_by, reason, record_digest "
    "from extraction.records where document_key = :key order by version",
    "sightings": "select * from ingest.sightings where document_key = :key order by first_seen_at, uri",
    "links": "select l.*, a.kind, a.media_type, a.size_bytes from audit.links l join audit.artifacts a using (digest) "
    "where document_key = :key order by page nulls first, role, linked_at",
    "manifests": "select * from audit.manifests where document_key = :key order by loaded_at",
    "chain": "select sequence, at, kind, payload, payload_digest, previous_hash, hash from audit.chain "
    "where subject = :key order by sequence",
    "runs": "select * from ingest.run_documents where document_key = :key order by seen_at",
}


def lines_of_run(connection: Connection, run_id: str) -> list[DocumentLine]:
    """The documents a run saw, by name."""
    return [_line(row) for row in connection.execute(_LINES, {"run_id": run_id}).mappings()]


def page_of_run(
    connection: Connection, dag_id: str, run_id: str, most: int
) -> tuple[RunSummary | None, list[DocumentLine]]:
    """A run of a DAG counted as it is now, and its first documents, those that are not accepted before the others."""
    counts = connection.execute(_COUNTS, {"dag_id": dag_id, "run_id": run_id}).mappings().one_or_none()
    if counts is None:
        return None, []
    found = connection.execute(_PAGE, {"run_id": run_id, "most": most}).mappings()
    return RunSummary(**counts), [_line(row) for row in found]


def was_met(connection: Connection, dag_id: str, run_id: str, key: str) -> bool:
    """Whether that run of that DAG met the document."""
    return bool(connection.scalar(_WAS_MET, {"dag_id": dag_id, "run_id": run_id, "key": key}))


def lines_by_key(connection: Connection, keys: Sequence[str]) -> list[DocumentLine]:
    """These documents in this order, whichever run loaded them; unknown ones are left out."""
    found = connection.execute(_LINES_BY_KEY, {"keys": list(keys)}).mappings()
    lines = {row["document_key"]: _line(row) for row in found}
    return [lines[key] for key in dict.fromkeys(keys) if key in lines]


def run_summary(connection: Connection, run_id: str) -> RunSummary:
    """The counts of a finished run; TerminalError when there is no such run."""
    row = connection.execute(_RUN, {"run_id": run_id}).mappings().one_or_none()
    if row is None:
        raise TerminalError(f"there is no run {run_id!r}")
    return RunSummary(**row)


def document_story(connection: Connection, name: str) -> dict[str, Any] | None:
    """Everything about one document: its row under "document", and a list of rows under each other name."""
    keys = list(connection.scalars(_FIND, {"name": name}))
    if not keys:
        return None
    if keys[0] != name and len(keys) > 1:
        raise TerminalError(f"several documents fit {name!r}: {', '.join(keys[:5])}")
    key = {"key": keys[0]}
    document = connection.execute(text("select * from marts.documents where document_key = :key"), key)
    row = document.mappings().one_or_none()
    parts = {part: _rows(connection, statement, key) for part, statement in _PARTS.items()}
    return {"document": dict(row) if row else {"document_key": keys[0]}, **parts}


def _line(row: RowMapping) -> DocumentLine:
    return DocumentLine(**{**row, "status": Status(row["status"])})


def _rows(connection: Connection, statement: str, key: dict[str, str]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(statement), key).mappings()]
