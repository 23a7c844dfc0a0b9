"""Prove the audit store and its hash chain: a sample of the bytes every day, all of them on Sundays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, result, task

from ocr_ops.airflow_glue import RETRIES, Alert, late_after

DOC_MD = """
### Verify the audit store

The chain, every link and every manifest are proved whole each time. The bytes of objects are read and hashed: a sample drawn anew each
day, all of them in the run of a Sunday. Any finding fails the run, and so alerts; the log names the first of them, `ocr-ops audit verify` all.
"""


@dag(
    schedule="0 4 * * *",
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    on_failure_callback=Alert(),
    deadline=late_after(timedelta(hours=20)),
    doc_md=DOC_MD,
    tags=["ocr-ops", "audit"],
    params={
        "sample": Param(
            1000,
            type="integer",
            minimum=1,
            title="Objects to read",
            description_md="On days other than Sunday, drawn anew each time.",
        ),
        "whole": Param(
            False,
            type="boolean",
            title="Read all objects",
            description_md="Whatever day it is; may take hours for a large store.",
        ),
    },
)
def verify_audit() -> None:
    """One task: prove."""

    @result
    @task
    def prove(params: dict | None = None, dag_run: Any = None) -> str:
        """Prove the store; fails when anything is broken."""
        from ocr_ops.airflow_glue import prove_audit

        given = params or {}
        sunday = dag_run.run_after.isoweekday() == 7
        return prove_audit(None if given["whole"] or sunday else given["sample"])

    prove()


verify_audit()
