"""Records, fields with boxes, rules, problems, and typed invoices and receipts."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002_extraction"
down_revision = "0001_ingest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})
