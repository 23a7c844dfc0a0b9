"""Remove from the audit store what the retention policy says is due, once a week."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag, result, task

from ocr_ops.airflow_glue import RETRIES, Alert, late_after

DOC_MD = """
### Enforce retention

Reads the retention policy (`retention.yaml` of the checkout) and removes the bytes that are due, every Sunday at two. Each removal is
noted in the hash chain first; rows, links and digests stay, so that what was removed stays provable.

* **This cannot be undone.** Trigger it with *Dry run* to see what a changed policy would remove; pause it to keep everything.
* A run that was killed is finished by the next one.
"""


@dag(
    schedule="0 2 * * 0",
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    on_failure_callback=Alert(),
    deadline=late_after(timedelta(hours=12)),
    doc_md=DOC_MD,
    tags=["ocr-ops", "audit"],
    params={
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description_md="Only say what would be removed.",
        ),
        "policy": Param(
            "",
            type="string",
            title="Policy file",
            description_md="Path on the machine that runs Airflow; empty: `retention.yaml` of the checkout.",
        ),
    },
)
def enforce_retention() -> None:
    """One task: look, note, remove."""

    @result
    @task
    def retain(params: dict | None = None, run_id: str | None = None) -> str:
        """Remove what is due, or say what would be."""
        from ocr_ops.airflow_glue import retain as carry_out

        given = params or {}
        return carry_out(given["policy"], run_id or "", dry_run=given["dry_run"])

    retain()


enforce_retention()
