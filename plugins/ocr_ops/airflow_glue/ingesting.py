"""What the DAGs do that pick documents up: sources and folders -> batches, and what became of them in words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ocr_ops.airflow_glue.batches import batches_found
from ocr_ops.airflow_glue.connections import log, place_of, workshop
from ocr_ops.airflow_glue.waiting import waiting_for_warehouse

if TYPE_CHECKING:
    from ocr_ops.settings import OcrEngine
    from ocr_ops.sources import Source


def known_doc_types() -> tuple[str, ...]:
    """The document types there are; read while DAG files are parsed."""
    from ocr_ops.schemas import doc_types

    return doc_types()


def sources() -> tuple[Source, ...]:
    """Where documents are picked up, as configured; read while DAG files are parsed."""
    from ocr_ops.sources import configured_sources

    return configured_sources(os.environ, doc_types=known_doc_types())


@waiting_for_warehouse()
def plan_source(source: Source, run_id: str, ti: Any) -> list[int]:
    """Plan the batches of what is new at a source."""
    from ocr_ops.pipeline.journey import Order
    from ocr_ops.pipeline.planning import plan
    from ocr_ops.sources import run_name

    order = Order(
        doc_type=source.doc_type,
        engine=_engine(source.engine),
        batch_size=source.batch_size,
        tenant=source.tenant,
    )
    shop = workshop()
    batches = plan(
        shop,
        place_of(source.folder),
        order,
        run_id=run_name(source.dag_id, run_id),
        dag_id=source.dag_id,
        note_known=False,
        readers=source.readers,
    )
    return batches_found(shop, batches, ti)


@waiting_for_warehouse()
def plan_folder(params: Mapping[str, Any], run_id: str, ti: Any) -> list[int]:
    """Plan the batches of a folder that a person named in the form; of a dry run only say what they would be."""
    from ocr_ops.pipeline.expectations import expect
    from ocr_ops.pipeline.journey import Order
    from ocr_ops.pipeline.planning import plan

    order = Order(
        doc_type=params["doc_type"],
        engine=_engine(params["engine"]),
        reprocess=params["reprocess"],
        batch_size=params["batch_size"] or 0,
        tenant=params["tenant"],
        limit=params["limit"] or 0,
    )
    shop, folder = workshop(), place_of(params["folder"])
    if params["dry_run"]:
        ti.xcom_push(key="forecast", value=expect(shop, folder, order).in_words())
        return batches_found(shop, (), ti)
    return batches_found(shop, plan(shop, folder, order, run_id=run_id, dag_id="ingest_folder"), ti)


def _engine(name: str) -> OcrEngine | None:
    from ocr_ops.settings import OcrEngine

    return OcrEngine(name) if name in tuple(OcrEngine) else None


@waiting_for_warehouse()
def sum_up(forecast: str | None, run_id: str) -> str:
    """What a run did, in words for a person; of a dry run what it would do."""
    from ocr_ops.pipeline.batches import finish

    words = forecast or finish(workshop(), run_id).in_words()
    log.info("%s", words)
    return words
