"""Read every document in a folder that a person names, and load it. Triggered from the form or the command line."""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from ocr_ops.airflow_glue import RETRIES, announce_rows, document_batches

DOC_MD = """
### Ingest a folder

Finds the documents in a folder, reads them, checks every value against the page, and loads rows into Postgres.

* Documents that were loaded before are skipped, so running it twice is safe.
* A document that cannot be read is set aside with the reason; the others go on and the run stays green.
* Results: `select * from marts.documents`, then `marts.receipts`, `marts.invoices`, `marts.review_queue`.
"""


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=4,
    default_args=RETRIES,
    doc_md=DOC_MD,
    tags=["ocr-ops", "ingest"],
    params={
        "folder": Param(
            "samples",
            type="string",
            minLength=1,
            title="Folder",
            description_md="Folder (or one file) on the machine that runs Airflow, under one of the allowed roots. "
            "Nothing in it is moved, changed or deleted.",
        ),
        "doc_type": Param(
            "auto",
            enum=["auto", "receipt", "invoice"],
            title="Document type",
            description_md="auto decides for each document from its words and shape.",
        ),
        "engine": Param(
            "as configured",
            enum=["as configured", "embedded", "vllm"],
            title="OCR engine",
            description_md="embedded reads on the CPU and needs nothing; vllm needs servers, named in the settings or in "
            "the connection ocr_ops_vllm.",
        ),
        "batch_size": Param(
            20,
            type="integer",
            minimum=1,
            maximum=500,
            title="Documents in a batch",
            description_md="Each batch is one row of tasks. Small batches show progress sooner, large ones cost less scheduling.",
        ),
        "reprocess": Param(
            False,
            type="boolean",
            title="Process known documents again",
            description_md="Steps whose inputs did not change are still taken from the audit store.",
        ),
    },
)
def ingest_folder() -> None:
    """Find, then read, extract and load each batch on its own, then announce."""

    @task
    def find(params: dict | None = None, run_id: str | None = None) -> list[str]:
        """List the documents and split them into batches; returns digests of the batches."""
        from ocr_ops.airflow_glue import plan_folder

        return plan_folder(params or {}, run_id or "")

    announce_rows(document_batches(find()))


ingest_folder()
