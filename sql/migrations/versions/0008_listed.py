"""What a listing opened."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008_listed"
down_revision = "0007_tenants"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})
