"""Read a sample of accepted documents with a second engine every day, and fail when too many differ."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, result, task

from ocr_ops.airflow_glue import RETRIES, Alert, document_batches, late_after

DOC_MD = """
### Monitor quality

Takes a sample of the documents accepted in the last day, reads their pictures with a second engine (without the file's own text and without
e-invoices in it), and counts the documents in which a critical value differs. The share is compared with that of the last 30 runs: above the
upper control limit (three standard deviations for a sample of this size) the run fails, and so alerts.

* Only documents that something else than the second engine has read can be checked.
* Every run's counts are kept: `select started_at, params from ingest.runs where dag_id = 'monitor_quality'`.
* Nothing is changed in `marts`. A differing document need not be wrong: look at both readings.
"""


@dag(
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    on_failure_callback=Alert(),
    deadline=late_after(timedelta(hours=20)),
    doc_md=DOC_MD,
    tags=["ocr-ops", "quality"],
    params={
        "size": Param(
            50,
            type="integer",
            minimum=1,
            maximum=5000,
            title="Documents in the sample",
            description_md="More find smaller changes and cost more reading.",
        ),
        "second_engine": Param(
            "embedded",
            enum=["embedded", "vllm"],
            title="Second engine",
            description_md="Reads the pictures once more; should not be the one that reads every day.",
        ),
        "days": Param(
            7,
            type="integer",
            minimum=1,
            maximum=3660,
            title="Days to look back",
            description_md="For a run that is triggered by hand; a scheduled one takes its own day.",
        ),
    },
)
def monitor_quality() -> None:
    """Choose, read and compare each batch on its own, judge."""

    @task
    def choose(params: dict | None = None, dag_run: Any = None, ti: Any = None) -> list[int]:
        """Draw the sample; returns the numbers of the batches."""
        from ocr_ops.airflow_glue import plan_quality_sample

        return plan_quality_sample(params or {}, dag_run, ti)

    @result
    @task
    def judge(counts: Any, run_id: str | None = None) -> str:
        """Compare with what is normal; fails when chance hardly explains it. Skipped when nothing could be sampled."""
        from ocr_ops.airflow_glue import judge_quality

        return judge_quality(counts, run_id or "")

    judge(document_batches(choose(), ends="compare"))


monitor_quality()
