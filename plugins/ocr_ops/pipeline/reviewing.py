"""Documents that wait for a person -> a question each, and the answer -> a version of the document with the person's name.

For yes and no alone: correcting values needs a page that shows them. Words of documents are short and in code marks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import text

from ocr_ops.audit import Manifest
from ocr_ops.codec import from_json
from ocr_ops.errors import TerminalError
from ocr_ops.model import Digest, SourceDocument, Status
from ocr_ops.pipeline.journey import Journey
from ocr_ops.pipeline.outcome import outcome_of
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.warehouse import Warehouse
from ocr_ops.warehouse.connecting import connected

APPROVE, REJECT, LATER = "Approve", "Reject", "Later"
ANSWERS = [APPROVE, REJECT, LATER]
_SHORT = 60
_REASONS = 600

_WAITING = text("""
select d.document_key || '@' || d.version from ingest.documents d
join extraction.records r using (document_key, version)
where d.status = 'needs_review' and d.superseded_by is null and r.record_digest is not null and r.manifest_digest is not null
  and (cast(:doc_type as text) is null or d.doc_type = :doc_type)
order by d.loaded_at, d.document_key limit :limit
""")
_ONE = text("""
select d.document_key, d.version, d.status, d.uri, d.name, d.digest, d.media_type, d.size_bytes, r.manifest_digest
from ingest.documents d join extraction.records r using (document_key, version)
where d.document_key = :key
""")


def waiting(shop: Workshop, *, limit: int, doc_type: str | None = None) -> list[str]:
    """Documents with a record that wait for a person, the longest waiting first, each as `<key>@<version>`."""
    with connected(shop.settings.database_url) as connection:
        return list(connection.scalars(_WAITING, {"limit": limit, "doc_type": doc_type}))


def question(shop: Workshop, document: str, *, checking: bool = False) -> tuple[str, str]:
    """Headline and Markdown body of the question about a document that `waiting` gave; `checking`: about an accepted one."""
    key = document.partition("@")[0]
    with Warehouse(shop.settings.database_url) as warehouse:
        lines = warehouse.lines([key])
    if not lines:
        raise TerminalError(f"there is no document {key}")
    line = lines[0]
    facts = {
        "type": line.doc_type,
        "seller or merchant": line.party,
        "date": line.document_date,
        "total": f"{line.total} {line.currency or ''}" if line.total is not None else None,
    }
    rows = [f"| {name} | {_code(value)} |" for name, value in facts.items()]
    link = shop.settings.review_url
    page = (
        f"[The page with what was read on it]({link}{key})" if link else "The page with what was read on it:"
    )
    why = "Accepted; drawn for a check." if checking else f"Held back: {_code(line.reasons, _REASONS)}"
    what = (
        "Compare with the page: are these values right? Nothing is changed by your answer."
        if checking
        else "Approve only what you compared with the page: the values count as they are from then on."
    )
    body = (
        why,
        "",
        "| | as read |",
        "| --- | --- |",
        *rows,
        "",
        f"{page} `ocr-ops audit show {key.removeprefix('sha256:')[:12]} --html page.html`",
        "",
        what,
    )
    return f"Is {line.name[:_SHORT]} right?", "\n".join(body)


def settle(shop: Workshop, document: str, *, answer: str, by: str, run_id: str) -> str:
    """Write what a person decided as a version of the document; says in words what became of it.

    A document that changed after the question was asked is left alone.
    """
    if answer not in (APPROVE, REJECT):
        return "left for later"
    key, _, version = document.partition("@")
    with connected(shop.settings.database_url) as connection:
        row = connection.execute(_ONE, {"key": key}).one()
    if str(row.version) != version or row.status != Status.NEEDS_REVIEW:
        return "left alone: it changed after the question was asked"
    manifest = from_json(Manifest, shop.store.get(Digest(row.manifest_digest)))
    source = SourceDocument(row.uri, row.name, Digest(row.digest), row.media_type, row.size_bytes)
    outcome, extras = outcome_of(shop, Journey(row.uri, row.name, row.size_bytes, source, manifest.steps))
    status = Status.ACCEPTED if answer == APPROVE else Status.REJECTED
    now, reason = datetime.now(UTC), "approved as read" if answer == APPROVE else "rejected"
    with Warehouse(shop.settings.database_url) as warehouse:
        warehouse.start_run(run_id, trigger="airflow", started_at=now, dag_id="review_documents")
        decided = replace(outcome, status=status)
        result = warehouse.load(decided, run_id=run_id, loaded_at=now, extras=extras, by=by, reason=reason)
        warehouse.finish_run(run_id, finished_at=now)
    return f"{result.status}, version {result.version}"


def _code(value: object, longest: int = _SHORT) -> str:
    """Text of a document as inert Markdown: on one line, without marks that end a cell or a code span, and short."""
    words = "" if value is None else str(value)
    plain = "".join(sign if sign.isprintable() and sign not in "`|" else " " for sign in words).strip()
    return f"`{plain[:longest]}`" if plain else "not read"
