"""Check a sample of accepted documents by a second engine or people, and fail when too many are wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, result, task

from ocr_ops.airflow_glue import RETRIES, Alert, document_batches, late_after
from ocr_ops.airflow_glue.asking import DocumentQuestion

DOC_MD = """
### Monitor quality

Takes a sample of the documents accepted in the last day, reads their pictures with a second engine (without the file's own text and without
e-invoices in it), and counts the documents in which a critical value differs. The share is compared with that of the last 30 runs checked in
the same way: above the upper control limit (three standard deviations for a sample of this size) the run fails, and so alerts.

* Triggered by hand with *Checked by: a person*, it asks about up to 20 documents under *Required Actions*: right, wrong, cannot tell.
* An engine can only check documents that something else has read.
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
            enum=["embedded", "vllm", "a person"],
            title="Checked by",
            description_md="An engine reads the pictures once more; it should not be the one that reads every day. A person is "
            "asked about each document.",
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
    """Choose; read and compare each batch on its own, or ask; judge."""

    @task
    def choose(params: dict | None = None, dag_run: Any = None, ti: Any = None) -> list[int]:
        """Draw the sample for an engine; returns the numbers of the batches."""
        from ocr_ops.airflow_glue import plan_quality_sample

        return plan_quality_sample(params or {}, dag_run, ti)

    @task
    def choose_for_people(params: dict | None = None, dag_run: Any = None) -> list[str]:
        """Draw the sample for people."""
        from ocr_ops.airflow_glue import documents_to_check

        return documents_to_check(params or {}, dag_run)

    asked = DocumentQuestion.partial(
        task_id="ask",
        checking=True,
        options=["Right", "Wrong", "Cannot tell"],
        defaults="Cannot tell",
        response_timeout=timedelta(days=3),
    ).expand(document=choose_for_people())

    @result
    @task(trigger_rule="none_failed_min_one_success")
    def judge(counts: Any, answers: Any, params: dict | None = None, run_id: str | None = None) -> str:
        """Compare with what is normal; fails when chance hardly explains it. Skipped when nothing could be sampled."""
        from ocr_ops.airflow_glue import judge_quality

        return judge_quality(params or {}, counts, answers, run_id or "")

    judge(document_batches(choose(), ends="compare"), asked.output)


monitor_quality()
