"""Postgres: the only package that opens a connection to it.

`migrate(url)` makes or updates the tables, views and roles, `current(url)` and `check(url)` look at them.
`Warehouse(url)` loads outcomes, each whole or not at all, keeps their versions, and answers the few questions the faces ask. Records
are judged before they come here: nothing in here decides whether a value is right.
"""

from __future__ import annotations

from ocr_ops.warehouse.listed import Stamp
from ocr_ops.warehouse.loading import Known, Load, Warehouse
from ocr_ops.warehouse.merging import LoadResult
from ocr_ops.warehouse.migrations import check, current, migrate
from ocr_ops.warehouse.reading import DocumentLine, RunSummary
from ocr_ops.warehouse.versions import Decision, Difference

__all__ = [
    "Decision",
    "Difference",
    "DocumentLine",
    "Known",
    "Load",
    "LoadResult",
    "RunSummary",
    "Stamp",
    "Warehouse",
    "check",
    "current",
    "migrate",
]
