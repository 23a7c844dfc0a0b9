"""Pick up what has landed since the last look, and load it: one DAG for each source (`OCR_OPS_SOURCES`)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import dag, task

from ocr_ops.airflow_glue import RETRIES, Alert, announce_rows, document_batches, late_after, sources

if TYPE_CHECKING:
    from ocr_ops.sources import Source

DOC_MD = """
### Ingest {name}

Looks into `{folder}` ({schedule}) and loads what is new: {doc_type}, tenant {tenant}, priority {priority}.

* A file that is still being written is left for the next look.
* Files are never moved or deleted; a file is known by its content, so renaming or copying it changes nothing.
* The tab *Documents* of a run shows what became of each document.
* Pause this DAG to stop watching. Sources are named in the file of the setting `OCR_OPS_SOURCES`.
"""


def ingest(source: Source) -> None:
    """Make the DAG of one source."""

    @dag(
        dag_id=source.dag_id,
        schedule=source.every,
        catchup=False,
        max_active_runs=1,
        default_args=RETRIES | {"priority_weight": source.weight, "weight_rule": "absolute"},
        on_failure_callback=Alert(),
        deadline=late_after(timedelta(hours=6)),
        doc_md=DOC_MD.format(**source.in_words()),
        tags=["ocr-ops", "ingest", source.tenant],
    )
    def ingest_source() -> None:
        """Find, then read, extract and load each batch on its own, then announce."""

        @task
        def find(run_id: str | None = None, ti: Any = None) -> list[int]:
            """List what is new at the source; returns the numbers of the batches."""
            from ocr_ops.airflow_glue import plan_source

            return plan_source(source, run_id or "", ti)

        announce_rows(document_batches(find(), pool=source.pool))

    ingest_source()


for one in sources():
    ingest(one)
