"""What was kept and what happened: artifacts, their links to documents, the hash chain. Rows are only ever added."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from ocr_ops.tables.columns import (
    DigestText,
    Instant,
    digest,
    document_key,
    metadata,
)

artifacts = Table(
    "artifacts",
    metadata,
    digest("digest", "sha256 of the bytes, their name in the audit store", primary_key=True),
    Column(
        "kind",
        String(80),
        nullable=False,
        comment="What the bytes are: source, page/picture, page/html, record, manifest",
    ),
    Column("media_type", String(120), nullable=False, comment="Format of the bytes"),
    Column("size_bytes", BigInteger, comment="How many bytes; null when the loader was not told"),
    Column("first_linked_at", Instant, nullable=False, comment="When the first document was linked to it"),
    schema="audit",
    comment="Everything kept in the audit store: rows are only added, bytes are never overwritten",
)

links = Table(
    "links",
    metadata,
    document_key(ondelete=None),
    Column(
        "role",
        String(120),
        primary_key=True,
        comment="What it is to the document: source, page/1/picture, llm/attempt/1, record",
    ),
    digest("digest", "Which artifact", ForeignKey("audit.artifacts.digest"), primary_key=True),
    Column("page", Integer, comment="Page concerned; null for the whole document"),
    Column(
        "run_id",
        String(250),
        ForeignKey("ingest.runs.run_id"),
        nullable=False,
        comment="Run that produced the link first",
    ),
    Column(
        "linked_at", Instant, nullable=False, comment="When; the latest link of a role is the one that counts"
    ),
    Index(None, "digest"),
    schema="audit",
    comment="Which document led to which artifact: rows are only added",
)

manifests = Table(
    "manifests",
    metadata,
    digest(
        "digest",
        "sha256 of the manifest in the audit store",
        ForeignKey("audit.artifacts.digest"),
        primary_key=True,
    ),
    Column(
        "document_key",
        DigestText,
        ForeignKey("ingest.documents.document_key"),
        nullable=False,
        comment="Which document was processed",
    ),
    Column("run_id", String(250), ForeignKey("ingest.runs.run_id"), nullable=False, comment="In which run"),
    digest("content_digest", "What was loaded: ingest.documents.content_digest at that time"),
    Column("loaded_at", Instant, nullable=False, comment="When"),
    Index(None, "document_key"),
    schema="audit",
    comment="One row per processing of a document: its manifest lists every step with inputs, output and versions",
)

chain = Table(
    "chain",
    metadata,
    Column(
        "sequence",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Place in the chain, from 1, no gap",
    ),
    Column("at", Instant, nullable=False, comment="When, by the server's clock; never before the row ahead"),
    Column(
        "kind",
        String(40),
        CheckConstraint("kind ~ '^[a-z][a-z_]*$'", name="kind_is_a_word"),
        nullable=False,
        comment="What happened: loaded, proposed, promoted, discarded, reviewed, retained, erased, held, released, anchored",
    ),
    Column(
        "subject",
        String(250),
        CheckConstraint("subject ~ '^[^\\n]+$'", name="subject_is_one_line"),
        nullable=False,
        comment="What it happened to: the key of a document, or the name of a run or policy",
    ),
    Column(
        "payload",
        Text,
        nullable=False,
        comment="Details as JSON text: digests, counts, names of rules; never what a document says",
    ),
    digest("payload_digest", "sha256 of the payload's UTF-8 bytes"),
    digest("previous_hash", "Hash of the row ahead; 64 zeros in the first row"),
    digest(
        "hash",
        "sha256 over this row and, through previous_hash, every row ahead: docs/auditors.md has the format",
    ),
    Index(None, "subject"),
    CheckConstraint("sequence >= 1", name="sequence_starts_at_1"),
    schema="audit",
    comment="What happened to documents, in order: no row can be changed or removed without breaking every hash behind it",
)
