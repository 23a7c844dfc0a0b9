"""The hash chain over manifests and later events, and triggers that keep the audit tables from being changed."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005_chain"
down_revision = "0004_record_versions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})
