"""The warehouse's tables as SQLAlchemy declarations: names, types, constraints, and a comment on each.

Nothing comes in, `metadata` and the tables go out. Declarations only: no engine, no SQL is run here. The database is
made by the migrations in `sql/migrations`; `ocr_ops.warehouse.check` compares it with this package.

* `ingest`      what came in: documents, their pages, where they were seen, in which run
* `extraction`  what was read: records, fields with their boxes, rules, problems, and typed tables by document type
* `audit`       what was kept: artifacts in the audit store and their links to documents
* `marts`       views for people (`sql/views`)
"""

from __future__ import annotations

from ocr_ops.tables import audit, extraction, ingest
from ocr_ops.tables.columns import SCHEMAS, VERSION_SCHEMA, VERSION_TABLE, metadata
from ocr_ops.tables.extraction import TYPED

__all__ = ["SCHEMAS", "TYPED", "VERSION_SCHEMA", "VERSION_TABLE", "audit", "extraction", "ingest", "metadata"]
