"""Which files became rows of which tables, for whoever collects lineage: Airflow's collector takes it, OpenLineage sends it.

Without a collector (a provider or plugin that reads lineage) nothing is done, and no package is needed for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.lineage import HookLineageCollector

    from ocr_ops.pipeline.workshop import Workshop

TABLES = ("ingest/documents", "extraction/records")
"""Where every document that is loaded leaves a row."""
_USUAL_PORT = 5432


def note_load(shop: Workshop, batch: str, counts: dict[str, int], context: Any) -> None:
    """Note what a batch that was loaded came from and went to; `counts` are its documents by status."""
    from airflow.sdk.lineage import NoOpCollector, get_hook_lineage_collector

    from ocr_ops.codec import from_json
    from ocr_ops.model import Digest
    from ocr_ops.pipeline.journey import Batch

    collector = get_hook_lineage_collector()
    if isinstance(collector, NoOpCollector):
        return
    places = (one.uri for one in from_json(Batch, shop.store.get(Digest(batch))).documents)
    note(collector, context, places, shop.settings.database_url, sum(counts.values()))


def note(
    collector: HookLineageCollector, context: Any, places: Iterable[str], database_url: str, rows: int
) -> None:
    """Note URIs as inputs, tables with the number of their rows as outputs. User and password are left out."""
    from sqlalchemy import make_url

    url = make_url(database_url)
    server = f"postgres://{url.host}:{url.port or _USUAL_PORT}/{url.database}"
    for place in places:
        with suppress(ValueError):  # Airflow does not take every place for an asset
            collector.add_input_asset(context, uri=place)
    for table in TABLES:
        collector.add_output_asset(context, uri=f"{server}/{table}", asset_extra={"rows": rows})
