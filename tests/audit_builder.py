"""Documents in a store and a warehouse, kept and loaded as the pipeline does it, for tests of proofs and retention."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, create_engine, make_url, text

from ocr_ops.audit import AuditStore, Manifest, ManifestStep
from ocr_ops.codec import digest_of, to_json
from ocr_ops.model import Digest
from ocr_ops.warehouse import chain

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RUN = "run 1"

_INSERTS = (
    "insert into ingest.runs (run_id, trigger, started_at, params) values (:run, 'test', :at, '{}') on conflict do nothing",
    "insert into ingest.documents (document_key, uri, name, status, doc_type, content_digest, first_seen_at, loaded_at,"
    " version, page_count) values (:key, 'file:///x', 'x', 'accepted', 'invoice', :manifest, :at, :at, 1, 0)"
    " on conflict do nothing",
)
_ARTIFACT = (
    "insert into audit.artifacts values (:digest, :role, 'application/json', 1, :at) on conflict do nothing"
)
_LINK = (
    "insert into audit.links (document_key, role, digest, run_id, linked_at)"
    " values (:key, :role, :digest, :run, :at) on conflict do nothing"
)
_MANIFEST = (
    "insert into audit.manifests values (:manifest, :key, :run, :manifest, :at) on conflict do nothing"
)


@contextmanager
def connection_to(url: str) -> Iterator[Connection]:
    """One transaction, committed at the end."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def add_document(
    url: str, store: AuditStore, number: int, *, shared: bytes | None = None
) -> dict[str, Digest]:
    """A document with a source, an intermediate that only its record names, a record and a manifest; digests by role."""
    source = store.put(f"%PDF document {number}".encode())
    inner = store.put(f"inner {number}".encode())
    record = store.put(
        json.dumps({"total": f"{number}.00", "from": inner, "lines": ["x" * 40] * 100}).encode()
    )
    step = ManifestStep("judge", digest_of(b"key"), (source,), record)
    manifest = store.put(to_json(Manifest(f"file:///{number}.pdf", (step,))))
    kept = {"source": source, "record": record, "manifest": manifest}
    if shared is not None:
        kept["attachment/1"] = store.put(shared)
    with connection_to(url) as connection:
        row = {"key": source, "manifest": manifest, "run": RUN, "at": NOW}
        for statement in _INSERTS:
            connection.execute(text(statement), row)
        for role, digest in kept.items():
            connection.execute(text(_ARTIFACT), {"digest": digest, "role": role, "at": NOW})
            at = NOW + timedelta(days=number)
            connection.execute(text(_LINK), {**row, "digest": digest, "role": role, "at": at})
        connection.execute(text(_MANIFEST), row)
        event = chain.loaded(source, manifest=manifest, content=record, version=1, run_id=RUN)
        chain.append(connection, [event])
    return kept | {"inner": inner}
