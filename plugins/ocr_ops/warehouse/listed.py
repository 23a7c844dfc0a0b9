"""How files looked when a listing opened them, so that the next listing need not open them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ocr_ops.warehouse.bulk import as_json


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as a listing sees it without opening it; times in nanoseconds since 1970. `place` is a `rows.uri_key`."""

    place: str
    size_bytes: int
    modified_ns: int
    changed_ns: int


# `offset 0` makes Postgres look each file up by its key: joined openly it reads the whole table for every part of a listing
_UNCHANGED = text("""
select l.uri_key, l.document_key
from unnest(cast(:places as text[]), cast(:sizes as bigint[]), cast(:modified as bigint[]), cast(:changed as bigint[]))
  as f (uri_key, size_bytes, modified_ns, changed_ns)
cross join lateral (select * from ingest.listed where uri_key = f.uri_key offset 0) l
join ingest.documents d on d.document_key = l.document_key and d.superseded_by is null
where (l.size_bytes, l.modified_ns, l.changed_ns) = (f.size_bytes, f.modified_ns, f.changed_ns)
""")


def unchanged(connection: Connection, stamps: Sequence[Stamp]) -> dict[str, str]:
    """Which files look as when they were opened last, and are documents that the warehouse holds: place -> document."""
    columns = {
        "places": [stamp.place for stamp in stamps],
        "sizes": [stamp.size_bytes for stamp in stamps],
        "modified": [stamp.modified_ns for stamp in stamps],
        "changed": [stamp.changed_ns for stamp in stamps],
    }
    return {row.uri_key: row.document_key for row in connection.execute(_UNCHANGED, columns)}


_NOTE = text("""
insert into ingest.listed as l (uri_key, size_bytes, modified_ns, changed_ns, document_key)
select * from json_populate_recordset(null::ingest.listed, cast(:rows as json))
on conflict (uri_key) do update set size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns,
  changed_ns = excluded.changed_ns, document_key = excluded.document_key
where l is distinct from excluded
""")


def note_listed(connection: Connection, opened: Sequence[tuple[Stamp, str]]) -> None:
    """Remember how files looked when they were opened, and which documents they were."""
    rows = [
        {
            "uri_key": stamp.place,
            "size_bytes": stamp.size_bytes,
            "modified_ns": stamp.modified_ns,
            "changed_ns": stamp.changed_ns,
            "document_key": key,
        }
        # in one order, so that two listings of a folder cannot deadlock
        for stamp, key in sorted(opened, key=lambda one: one[0].place)
    ]
    if rows:
        connection.execute(_NOTE, {"rows": as_json(rows)})
