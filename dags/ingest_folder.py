"""Read every document in a folder that a person names, and load it. Triggered from the form or the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, result, task

from ocr_ops.airflow_glue import (
    RETRIES,
    Alert,
    announce_rows,
    document_batches,
    known_doc_types,
    late_after,
)
from ocr_ops.priorities import NORMAL, WEIGHTS

DOC_MD = """
### Ingest a folder

Finds the documents in a folder or an S3 bucket, reads them, checks every value against the page, and loads rows into Postgres.

* Documents that were loaded before are skipped, so running it twice is safe.
* A document that cannot be read is set aside with the reason; the others go on and the run stays green.
* **Dry run** changes nothing and says in the task `summary` what would happen, how long it would take and what it would cost.
* The tab *Documents* of a run shows what became of each document; the task `summary` says it in a sentence. Rows: `select * from marts.documents`, then `marts.receipts`, `marts.invoices`, `marts.review_queue`.
"""


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=4,
    default_args=RETRIES | {"priority_weight": WEIGHTS[NORMAL], "weight_rule": "absolute"},
    on_failure_callback=Alert(),
    deadline=late_after(timedelta(hours=24)),
    doc_md=DOC_MD,
    tags=["ocr-ops", "ingest"],
    params={
        "folder": Param(
            "samples",
            type="string",
            minLength=1,
            title="Folder or bucket",
            description_md="Folder (or one file) that every worker reaches, or s3://bucket/prefix, under one of the allowed "
            "roots. Nothing in it is moved, changed or deleted.",
        ),
        "doc_type": Param(
            "auto",
            enum=["auto", *known_doc_types()],
            title="Document type",
            description_md="auto decides for each document from its words and shape.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description_md="Only say what would happen: new, known and unreadable documents, pages, expected time and cost.",
        ),
        "engine": Param(
            "as configured",
            enum=["as configured", "embedded", "vllm"],
            title="OCR engine",
            description_md="embedded reads on the CPU and needs nothing; vllm needs servers, named in the settings or in "
            "the connection ocr_ops_vllm.",
        ),
        "priority": Param(
            NORMAL,
            enum=list(WEIGHTS),
            title="Priority",
            description_md="Who goes first where several runs wait for the same places. What has begun is not interrupted.",
        ),
        "batch_size": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=500,
            title="Most documents in a batch",
            section="More",
            description_md="Each batch is one row of tasks, which take seconds to start. Empty: by the pages found, 40 to 200 in "
            "a batch and 200 MB at most, so that every reader gets several batches and long documents make batches of fewer. "
            "A small number shows progress sooner and costs more.",
        ),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="At most so many documents",
            section="More",
            description_md="The first ones in the order of their paths; run again for the next ones. Empty: all.",
        ),
        "tenant": Param(
            "main",
            type="string",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$",
            title="Tenant",
            section="More",
            description_md="Whose documents they are, where several companies share one warehouse.",
        ),
        "reprocess": Param(
            False,
            type="boolean",
            section="More",
            title="Process known documents again",
            description_md="Steps whose inputs did not change are still taken from the audit store.",
        ),
    },
)
def ingest_folder() -> None:
    """Find, then read, extract and load each batch on its own, then announce and sum up."""

    @task
    def find(params: dict | None = None, run_id: str | None = None, ti: Any = None) -> list[int]:
        """List the documents and split them into batches; returns the numbers of these."""
        from ocr_ops.airflow_glue import plan_folder

        return plan_folder(params or {}, run_id or "", ti)

    @result
    @task(trigger_rule="none_failed")
    def summary(run_id: str | None = None, ti: Any = None) -> str:
        """Say what became of the documents, or what would."""
        from ocr_ops.airflow_glue import sum_up

        return sum_up(ti.xcom_pull(task_ids="find", key="forecast"), run_id or "")

    counts = document_batches(find())
    announce_rows(counts)
    counts >> summary()


ingest_folder()
