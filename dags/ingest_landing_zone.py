"""Pick up what has landed in the landing folder since the last look, and load it."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from ocr_ops.airflow_glue import RETRIES, announce_rows, document_batches

DOC_MD = """
### Ingest the landing zone

Looks into the landing folder (`OCR_OPS_LANDING_FOLDER`, in the local set-up `var/landing`) every minute and loads what is new.

* A file that is still being written is left for the next look.
* Files are never moved or deleted; a file is known by its content, so renaming or copying it changes nothing.
* Pause this DAG to stop watching.
"""


@dag(
    schedule=timedelta(minutes=1),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    doc_md=DOC_MD,
    tags=["ocr-ops", "ingest"],
)
def ingest_landing_zone() -> None:
    """Find, then read, extract and load each batch on its own, then announce."""

    @task
    def find(run_id: str | None = None) -> list[str]:
        """List what is new in the landing folder; returns digests of the batches."""
        from ocr_ops.airflow_glue import plan_landing_zone

        return plan_landing_zone(run_id or "")

    announce_rows(document_batches(find()))


ingest_landing_zone()
