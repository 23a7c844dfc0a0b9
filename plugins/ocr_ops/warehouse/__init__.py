"""Postgres: the only package that opens a connection to it.

`migrate(url)` makes or updates the tables, views and roles, `current(url)` and `check(url)` look at them.
`Warehouse(url)` loads outcomes, one transaction per document, and answers the few questions the faces ask. Records
are judged before they come here: nothing in here decides whether a value is right.
"""

from __future__ import annotations

from ocr_ops.warehouse.loading import Known, LoadResult, Warehouse
from ocr_ops.warehouse.migrations import check, current, migrate
from ocr_ops.warehouse.reading import DocumentLine, RunSummary

__all__ = [
    "DocumentLine",
    "Known",
    "LoadResult",
    "RunSummary",
    "Warehouse",
    "check",
    "current",
    "migrate",
]
