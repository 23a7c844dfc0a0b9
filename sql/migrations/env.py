"""Run the migrations on the connection that `ocr_ops.warehouse.migrate` opened and locked.

Each migration is one transaction and goes forward only: a mistake is corrected by the next migration.
"""

from __future__ import annotations

from alembic import context

from ocr_ops.tables import VERSION_SCHEMA, VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=VERSION_SCHEMA,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
