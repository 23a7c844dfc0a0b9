"""Documents that the warehouse holds -> journeys that go on from what is kept of them, without opening a file again.

A document is chosen by what is known of it; its steps come from the manifest of the version that counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text

from ocr_ops.audit import Manifest
from ocr_ops.codec import from_json
from ocr_ops.errors import OcrOpsError, TerminalError
from ocr_ops.model import Digest, SourceDocument
from ocr_ops.pipeline import steps
from ocr_ops.pipeline.journey import Journey, Opened
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.warehouse.connecting import connected

ANY = "any"
"""What a form says of a document type that does not matter."""
_OPENING, _READING = ("open",), ("open", "read", "render")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which documents; what is None or empty does not matter. Dates are of the first sighting, the end not included."""

    documents: tuple[str, ...] = ()
    """Keys, beginnings of hex digests of 8 letters at least, or file names."""
    since: datetime | None = None
    until: datetime | None = None
    vendor: str | None = None
    """Part of the seller's or merchant's name, in any case."""
    statuses: tuple[str, ...] = ()
    doc_type: str | None = None
    engine: str | None = None
    """What read the first page."""
    schema_version: int | None = None
    limit: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it down; `limit` and `statuses` alone do not."""
        narrow = (self.documents, self.since, self.until, self.vendor, self.doc_type, self.engine)
        return not any(narrow) and self.schema_version is None


_CHOOSE = text("""
select d.document_key, d.uri, d.name, d.digest, d.media_type, d.size_bytes, d.page_count, r.manifest_digest
from ingest.documents d
join extraction.records r using (document_key, version)
left join extraction.invoices i using (document_key, version)
left join extraction.receipts c using (document_key, version)
left join ingest.pages p on p.document_key = d.document_key and p.version = d.version and p.page = 1
where d.superseded_by is null and d.digest is not null and r.manifest_digest is not null
  and (cast(:names as text[]) is null or d.document_key = any(cast(:names as text[])) or d.name = any(cast(:names as text[]))
    or exists (select from unnest(cast(:names as text[])) n where n ~ '^[0-9a-f]{8,64}$' and starts_with(d.document_key, 'sha256:' || n)))
  and (cast(:since as timestamptz) is null or d.first_seen_at >= :since)
  and (cast(:until as timestamptz) is null or d.first_seen_at < :until)
  and (cast(:vendor as text) is null or strpos(lower(coalesce(i.seller_name, c.merchant_name)), lower(:vendor)) > 0)
  and (cast(:statuses as text[]) is null or d.status = any(cast(:statuses as text[])))
  and (cast(:doc_type as text) is null or d.doc_type = :doc_type)
  and (cast(:engine as text) is null or p.engine = :engine)
  and (cast(:schema_version as integer) is null or r.schema_version = :schema_version)
order by d.first_seen_at, d.document_key
limit :limit
""")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Documents to go on with, and how many of those chosen cannot: what they need is not kept, or was never read."""

    journeys: tuple[Journey, ...]
    left_out: int = 0


def choose(shop: Workshop, choice: Choice, *, keep_reading: bool) -> Chosen:
    """The documents that fit, up to where their steps are kept: read and rendered, or only opened.

    TerminalError when the choice does not narrow anything down.
    """
    if choice.is_everything:
        raise TerminalError(
            "name documents, dates, a vendor, a type, an engine or a schema version to choose by"
        )
    rows = chosen_rows(shop, choice)
    found = [_journey(shop, row, _READING if keep_reading else _OPENING) for row in rows]
    journeys = tuple(journey for journey in found if journey is not None)
    return Chosen(journeys, len(found) - len(journeys))


def chosen_rows(shop: Workshop, choice: Choice) -> list[RowMapping]:
    """What the warehouse says of the documents that fit, the first seen first."""
    words: dict[str, Any] = {
        "names": list(choice.documents) or None,
        "since": choice.since,
        "until": choice.until,
        "vendor": choice.vendor or None,
        "statuses": list(choice.statuses) or None,
        "doc_type": choice.doc_type or None,
        "engine": choice.engine or None,
        "schema_version": choice.schema_version,
        "limit": choice.limit,
    }
    with connected(shop.settings.database_url) as connection:
        return list(connection.execute(_CHOOSE, words).mappings())


def _journey(shop: Workshop, row: RowMapping, wanted: tuple[str, ...]) -> Journey | None:
    """A document as it was after those steps; None where they, or what they gave, are not kept."""
    try:
        manifest = from_json(Manifest, shop.store.get(Digest(row["manifest_digest"])))
        done = {step.step: step for step in manifest.steps if step.step in wanted}
        if set(done) != set(wanted):
            return None
        source = SourceDocument(
            row["uri"], row["name"], Digest(row["digest"]), row["media_type"], row["size_bytes"]
        )
        journey = Journey(
            row["uri"],
            row["name"],
            row["size_bytes"],
            source,
            tuple(done[step] for step in wanted),
            pages_expected=max(1, row["page_count"]),
        )
        return _with_reading(shop, journey) if "read" in wanted else journey
    except OcrOpsError:
        return None  # removed by retention, or broken: `audit verify` says which


def _with_reading(shop: Workshop, journey: Journey) -> Journey | None:
    """The document with what opening it found; None where no text was read, which reading it again may change."""
    opened = from_json(Opened, shop.store.get(journey.need("open")))
    if not any(page.blocks for page in steps.load_pages(shop, journey)):
        return None
    return replace(journey, problems=opened.problems)
