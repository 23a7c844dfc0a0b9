"""What came in: documents, their pages, where they were seen and in which run."""

from __future__ import annotations

from sqlalchemy import (
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
    metadata,
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
    CheckConstraint("document_key = digest or document_key like 'uri:%'", name="document_key_fits_digest"),
    Index(None, "digest"),
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
    Index(None, "document_key"),
    schema="ingest",
    comment="Which run saw which document, and what became of it there",
)

pages = Table(
    "pages",
    metadata,
    document_key(),
    Column(
        "page",
        Integer,
        CheckConstraint("page >= 1", name="page_counts_from_1"),
        primary_key=True,
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
    schema="ingest",
    comment="One row per page that was read",
)
