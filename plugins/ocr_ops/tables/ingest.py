"""What came in: documents, their pages, where they were seen and in which run."""

from __future__ import annotations

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ocr_ops.model import Status
from ocr_ops.tables.columns import (
    KEY_PATTERN,
    DigestText,
    Instant,
    digest,
    document_key,
    key_of_version,
    metadata,
    of_version,
    one_of,
)

runs = Table(
    "runs",
    metadata,
    Column(
        "run_id", String(250), primary_key=True, comment="Name of the run, Airflow's own where Airflow ran it"
    ),
    Column("dag_id", String(250), comment="DAG that ran; null for the command line"),
    Column("trigger", String(60), nullable=False, comment="What started it: manual, scheduled, asset, cli"),
    Column("started_at", Instant, nullable=False, comment="When it started"),
    Column("finished_at", Instant, comment="When it finished; null while running or when it was killed"),
    Column(
        "params", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="What it was asked to do"
    ),
    Column(
        "documents", Integer, comment="Documents it saw; this and the other counts are set when it finishes"
    ),
    Column("accepted", Integer, comment="Of these, accepted"),
    Column("needs_review", Integer, comment="Of these, held back for a person"),
    Column("quarantined", Integer, comment="Of these, impossible to read"),
    Column("rejected", Integer, comment="Of these, rejected by a person"),
    Column("changed", Integer, comment="Of these, new or with another content than before"),
    schema="ingest",
    comment="One row per processing run",
)

documents = Table(
    "documents",
    metadata,
    Column(
        "document_key",
        DigestText,
        CheckConstraint(f"document_key ~ {KEY_PATTERN}", name="document_key_is_a_key"),
        primary_key=True,
        comment="sha256 of the file; for a file that could not be read, or repeats another, uri: and the sha256 of its place",
    ),
    digest("digest", "sha256 of the file's bytes; null when they could not be read", nullable=True),
    Column("uri", Text, nullable=False, comment="Where it was seen first; ingest.sightings has every place"),
    Column("name", Text, nullable=False, comment="File name where it was seen first"),
    Column(
        "media_type", String(120), comment="What the bytes are, by their content and not by the file's name"
    ),
    Column(
        "size_bytes",
        BigInteger,
        CheckConstraint("size_bytes >= 0", name="size_bytes_is_sane"),
        comment="Size of the file",
    ),
    Column("page_count", Integer, nullable=False, comment="Pages that were read"),
    one_of("status", Status, "accepted, needs_review, quarantined (unreadable) or rejected (by a person)"),
    Column(
        "doc_type", String(80), comment="Document type (a folder of extraction_schemas); null when unknown"
    ),
    digest(
        "content_digest", "sha256 over everything loaded for the document; differs when any of it changed"
    ),
    Column(
        "processed_key",
        DigestText,
        comment="Everything that decided the result, hashed: file, engine, models, schema, versions",
    ),
    Column(
        "superseded_by",
        DigestText,
        ForeignKey("ingest.documents.document_key"),
        comment="Set when the file at this place could be read later: the document it turned out to be",
    ),
    Column("first_seen_at", Instant, nullable=False, comment="When it was loaded for the first time"),
    Column("loaded_at", Instant, nullable=False, comment="When its content last changed"),
    Column(
        "version",
        Integer,
        nullable=False,
        comment="Version of extraction.records that counts now; readers of all tables join on it",
    ),
    Column(
        "tenant",
        String(80),
        nullable=False,
        server_default="main",
        comment="Whose document it is, where several companies share one warehouse",
    ),
    CheckConstraint("document_key = digest or document_key like 'uri:%'", name="document_key_fits_digest"),
    # the same bytes under another name: Warehouse.known, marts.possible_duplicates
    Index(None, "digest"),
    # marts.review_queue: few of many documents wait
    Index("ix_documents_held_back", "loaded_at", postgresql_where=text("status = 'needs_review'")),
    schema="ingest",
    comment="One row per document, whatever became of it",
)

sightings = Table(
    "sightings",
    metadata,
    document_key(),
    Column("uri_key", DigestText, primary_key=True, comment="uri: and the sha256 of the place"),
    Column("uri", Text, nullable=False, comment="A place the document was found at"),
    Column("name", Text, nullable=False, comment="File name there"),
    Column("first_seen_at", Instant, nullable=False, comment="When it was first found there"),
    schema="ingest",
    comment="Every place a document's bytes were found at",
)

listed = Table(
    "listed",
    metadata,
    Column("uri_key", DigestText, primary_key=True, comment="uri: and the sha256 of the place"),
    Column("size_bytes", BigInteger, nullable=False, comment="Size of the file when it was opened last"),
    Column(
        "modified_ns", BigInteger, nullable=False, comment="When its bytes changed last, in ns since 1970"
    ),
    Column(
        "changed_ns", BigInteger, nullable=False, comment="When anything of it changed last, in ns since 1970"
    ),
    Column("document_key", DigestText, nullable=False, comment="Which document it was then"),
    schema="ingest",
    comment="Files that a listing opened; one that looks the same again is not opened again",
)

run_documents = Table(
    "run_documents",
    metadata,
    Column("run_id", String(250), ForeignKey("ingest.runs.run_id"), primary_key=True, comment="Which run"),
    document_key(),
    Column(
        "uri_key",
        DigestText,
        primary_key=True,
        comment="Where this run found it: uri: and the sha256 of the place",
    ),
    one_of("status", Status, "What became of it in this run"),
    Column("changed", Boolean, nullable=False, comment="Whether this run created or changed it"),
    Column("seen_at", Instant, nullable=False, comment="When this run loaded it or saw that it is known"),
    Column(
        "timings",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="Seconds by step; empty when it was known already",
    ),
    # last_seen_at of marts.documents
    Index(None, "document_key"),
    schema="ingest",
    comment="Which run saw which document, and what became of it there",
)

pages = Table(
    "pages",
    metadata,
    key_of_version(),
    Column(
        "page",
        Integer,
        CheckConstraint("page >= 1", name="page_counts_from_1"),
        autoincrement=False,
        comment="Page number, from 1",
    ),
    digest("picture_digest", "sha256 of the upright page picture in the audit store"),
    Column("width_px", Integer, nullable=False, comment="Width of that picture in pixels"),
    Column("height_px", Integer, nullable=False, comment="Height of that picture in pixels"),
    Column("dpi", Numeric(8, 2), comment="Resolution of that picture; null where the file does not say"),
    Column(
        "turn",
        Integer,
        CheckConstraint("turn in (0, 90, 180, 270)", name="turn_is_quarter"),
        nullable=False,
        comment="Clockwise degrees that made the page upright",
    ),
    Column("blocks", Integer, nullable=False, comment="Blocks of text and figures read on it"),
    Column("engine", String(80), comment="What read it: an OCR engine or the file's own text layer"),
    Column("engine_version", String(80), comment="Version of that engine"),
    Column("model", String(200), comment="OCR model it used"),
    Column(
        "attempts",
        Integer,
        nullable=False,
        comment="Readings made until one was good; all are kept in the audit store",
    ),
    *of_version("page"),
    Column(
        "picture_hash",
        BigInteger,
        comment="What the picture looks like in 64 bits: pictures of one sheet differ in few of them; null where not known",
    ),
    schema="ingest",
    comment="One row per page that was read, for each version of the document",
)

model_calls = Table(
    "model_calls",
    metadata,
    digest(
        "digest",
        "sha256 of the request and reply in the audit store",
        ForeignKey("audit.artifacts.digest"),
        primary_key=True,
    ),
    Column(
        "document_key",
        DigestText,
        ForeignKey("ingest.documents.document_key", ondelete="CASCADE"),
        nullable=False,
        comment="Which document it was made for",
    ),
    Column("page", Integer, comment="Page that was read; null for the whole document"),
    Column(
        "stage", String(40), nullable=False, comment="read (OCR of a page) or extract (fields of a document)"
    ),
    Column("engine", String(80), nullable=False, comment="Program that answered: embedded, vllm, llm"),
    Column("model", String(200), nullable=False, comment="Model that answered"),
    Column("prompt_version", String(80), comment="Version of the prompt; null where the engine takes none"),
    Column(
        "prompt_tokens",
        Integer,
        nullable=False,
        comment="Tokens sent, as the server counted; 0 without tokens",
    ),
    Column("completion_tokens", Integer, nullable=False, comment="Tokens answered, as the server counted"),
    Column(
        "seconds",
        Numeric(12, 3),
        nullable=False,
        comment="From sending to the whole reply; requests in flight at once overlap",
    ),
    Column(
        "run_id",
        String(250),
        ForeignKey("ingest.runs.run_id"),
        nullable=False,
        comment="Run that loaded it first",
    ),
    Column("noted_at", Instant, nullable=False, comment="When it was loaded first"),
    # marts.document_costs of one document, and what goes when a document is erased
    Index(None, "document_key"),
    schema="ingest",
    comment="Every question to a model, once, however often its answer was used again: what documents cost",
)

prices = Table(
    "prices",
    metadata,
    Column("model", String(200), primary_key=True, comment="Model, as in ingest.model_calls"),
    Column(
        "currency",
        CHAR(3),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_iso_4217"),
        nullable=False,
        comment="ISO 4217 code of the prices",
    ),
    Column(
        "per_million_prompt_tokens",
        Numeric,
        nullable=False,
        server_default="0",
        comment="Price of tokens sent",
    ),
    Column(
        "per_million_completion_tokens",
        Numeric,
        nullable=False,
        server_default="0",
        comment="Price of tokens answered",
    ),
    Column(
        "per_hour",
        Numeric,
        nullable=False,
        server_default="0",
        comment="Price of an hour of waiting for this model, for machines that are paid by time",
    ),
    schema="ingest",
    comment="What models cost: filled in by whoever pays, read by marts.costs_daily",
)

tenant_readers = Table(
    "tenant_readers",
    metadata,
    Column("role_name", String(63), primary_key=True, comment="A role; its members may read, too"),
    Column("tenant", String(80), primary_key=True, comment="Tenant, as in ingest.documents"),
    schema="ingest",
    comment="Who may read the documents of which tenant in marts; while it is empty everybody reads all",
)
