"""Proposed versions of documents: what they would change, and the decision about them.

A proposal is a version with all its rows that no view shows. Promoting ends the version that counts and starts the
proposal in one transaction, so that a reader sees either; discarding leaves it where it is, marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from ocr_ops.errors import TerminalError
from ocr_ops.warehouse.chain import ChainEvent, EventKind, append
from ocr_ops.warehouse.merging import CLOSE_CURRENT, DISCARD, lock


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that a proposal would change; None on the side that has no value. Evidence is page, print and box.

    `field` is a JSON pointer, or `status` or `doc_type` of the whole document. Boxes are x1, y1, x2, y2 in pixels of the
    page's picture, origin top left.
    """

    document_key: str
    name: str
    old_version: int
    new_version: int
    field: str
    old_value: str | None
    new_value: str | None
    old_page: int | None
    old_raw: str | None
    old_box_px: tuple[int, ...] | None
    new_page: int | None
    new_raw: str | None
    new_box_px: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one proposal: `version` counts now, or was set aside."""

    document_key: str
    version: int
    manifest: str | None


_DIFFERENCES = text("""
select document_key, name, old_version, new_version, field, old_value, new_value,
  old_page, old_raw, old_box_px, new_page, new_raw, new_box_px
from marts.proposed_changes
where cast(:keys as text[]) is null or document_key = any(cast(:keys as text[]))
order by name, document_key, position, field
""")

_STALE = text("""
select r.document_key
from extraction.records r
join ingest.documents d using (document_key)
where r.document_key = any(cast(:keys as text[])) and r.state = 'proposed' and r.base_version <> d.version
order by r.document_key
""")

_PROMOTE = text("""
update extraction.records r
set state = 'promoted', valid_from = greatest(:at, c.valid_to), decided_at = :at, decided_by = :by, decision_reason = :reason
from extraction.records c
where r.document_key = any(cast(:keys as text[])) and r.state = 'proposed'
  and c.document_key = r.document_key and c.version = r.base_version
returning r.document_key, r.version, r.manifest_digest
""")

_SHOW = text("""
update ingest.documents d
set version = r.version, status = r.status, doc_type = r.doc_type, content_digest = r.content_digest,
  processed_key = null, superseded_by = null, loaded_at = r.valid_from,
  page_count = (select count(*) from ingest.pages p where (p.document_key, p.version) = (r.document_key, r.version))
from extraction.records r
where d.document_key = any(cast(:keys as text[]))
  and r.document_key = d.document_key and r.state = 'promoted' and r.valid_to is null
""")


def proposed_differences(connection: Connection, keys: Sequence[str] | None) -> list[Difference]:
    """What the proposals of these documents (None: of all) would change."""
    found = connection.execute(_DIFFERENCES, {"keys": None if keys is None else list(keys)}).mappings()
    return [
        Difference(**{**row, "old_box_px": _box(row["old_box_px"]), "new_box_px": _box(row["new_box_px"])})
        for row in found
    ]


def _box(sides: list[int] | None) -> tuple[int, ...] | None:
    return None if sides is None else tuple(sides)


def promote(
    connection: Connection, keys: Sequence[str], *, by: str, reason: str, at: datetime
) -> list[Decision]:
    """Let the proposals of these documents count; TerminalError when one is stale. Documents without one are left out."""
    lock(connection, keys)
    stale = list(connection.scalars(_STALE, {"keys": list(keys)}))
    if stale:
        raise TerminalError(f"{len(stale)} documents changed since the proposal, propose again: {stale[0]}")
    waiting = list(connection.scalars(_WAITING, {"keys": list(keys)}))
    connection.execute(CLOSE_CURRENT, {"keys": waiting, "at": at})
    promoted = connection.execute(_PROMOTE, {"keys": waiting, "at": at, "by": by, "reason": reason})
    decisions = [Decision(*row) for row in promoted]
    connection.execute(_SHOW, {"keys": waiting})
    return _noted(connection, EventKind.PROMOTED, decisions)


_WAITING = text("""
select document_key from extraction.records
where document_key = any(cast(:keys as text[])) and state = 'proposed'
""")


def discard(
    connection: Connection, keys: Sequence[str], *, by: str, reason: str, at: datetime
) -> list[Decision]:
    """Set the proposals of these documents aside."""
    lock(connection, keys)
    found = connection.execute(DISCARD, {"keys": list(keys), "at": at, "by": by, "reason": reason})
    return _noted(connection, EventKind.DISCARDED, [Decision(*row) for row in found])


def _noted(connection: Connection, kind: EventKind, decisions: Sequence[Decision]) -> list[Decision]:
    """Put decisions into the audit chain, the last thing before the commit; they come back by key."""
    ordered = sorted(decisions, key=lambda one: one.document_key)
    events = [
        ChainEvent(kind, one.document_key, {"version": one.version, "manifest": one.manifest})
        for one in ordered
    ]
    append(connection, events)
    return ordered
