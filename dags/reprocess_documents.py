"""Process documents again as proposals, tell the differences, and let a person (or the form) promote or discard them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import CronDataIntervalTimetable, Param, dag, task

from ocr_ops.airflow_glue import RETRIES, Alert, document_batches, known_doc_types, late_after

DOC_MD = """
### Process documents again

After a new prompt, schema, model or release: what would change? Choose documents; each one whose result differs gets a
*proposed* version that no reader of `marts` sees. The task `report` tells the differences (all of them: `marts.proposed_changes`), and
a person promotes or discards them in the task `ask`, under *Required Actions*. Promoting is one transaction.

* From **extract** nothing is read again: OCR comes from the audit store. From **read** pages go through the OCR engine once more.
* The schedule is there for backfills alone (`airflow backfill create --dag-id reprocess_documents --from-date ... --to-date ...`): each run
  of a backfill takes the documents first seen in its month. Runs that the schedule itself starts do nothing.
* Every task may be cleared at any time.
"""


@dag(
    schedule=CronDataIntervalTimetable("0 0 1 * *", timezone="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args=RETRIES,
    on_failure_callback=Alert(),
    deadline=late_after(timedelta(days=15)),
    doc_md=DOC_MD,
    tags=["ocr-ops"],
    params={
        "documents": Param(
            [],
            type="array",
            items={"type": "string", "minLength": 1},
            maxItems=1000,
            title="Documents",
            description_md="File names, keys (`sha256:...`) or beginnings of digests, one a line. Or choose by what follows; "
            "something must narrow the choice.",
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date",
            title="First seen since",
            description_md="First day, in UTC. A run of a backfill takes its own month instead.",
        ),
        "until": Param(
            None,
            type=["null", "string"],
            format="date",
            title="First seen before",
            description_md="The first day that is not taken any more, in UTC.",
        ),
        "doc_type": Param(
            "any",
            enum=["any", *known_doc_types()],
            title="Document type",
            description_md="Documents that were taken for this type.",
        ),
        "stage": Param(
            "extract",
            enum=["extract", "read"],
            title="From which step",
            description_md="extract: a new prompt, schema or model for fields, without OCR. read: another OCR engine.",
        ),
        "decision": Param(
            "a person decides",
            enum=["a person decides", "promote", "discard"],
            title="What becomes of the proposals",
            description_md="discard is for a trial: the differences are told, and nothing stays to be decided.",
        ),
        "reason": Param(
            "processed again",
            type="string",
            minLength=3,
            maxLength=300,
            title="Why",
            description_md="Kept with every version that comes of it.",
        ),
        "vendor": Param(
            None,
            type=["null", "string"],
            minLength=1,
            title="Seller or merchant",
            section="Choose further",
            description_md="A part of the name, in any case.",
        ),
        "statuses": Param(
            ["accepted", "needs_review"],
            type="array",
            items={"enum": ["accepted", "needs_review", "quarantined", "rejected"]},
            examples=["accepted", "needs_review", "quarantined", "rejected"],
            title="Status",
            section="Choose further",
            description_md="Documents of these states; empty: of any.",
        ),
        "read_by": Param(
            None,
            type=["null", "string"],
            title="Read by",
            section="Choose further",
            description_md="Engine that read the first page, as in `marts.page_readings`.",
        ),
        "schema_version": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Version of the schema",
            section="Choose further",
            description_md="Documents whose record was made with this version of their type's schema.",
        ),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="At most so many documents",
            section="Choose further",
            description_md="The first ones by the time they were first seen. Empty: all.",
        ),
        "engine": Param(
            "as configured",
            enum=["as configured", "embedded", "vllm"],
            title="OCR engine",
            section="How",
            description_md="What reads the pages, where they are read again.",
        ),
        "as_doc_type": Param(
            "auto",
            enum=["auto", *known_doc_types()],
            title="Take them for",
            section="How",
            description_md="auto decides for each document from its words and shape.",
        ),
        "batch_size": Param(
            20,
            type="integer",
            minimum=1,
            maximum=500,
            title="Most documents in a batch",
            section="How",
            description_md="Each batch is one row of tasks, as when documents are ingested.",
        ),
    },
)
def reprocess_documents() -> None:
    """Choose, process again into proposals, report, ask, settle."""

    @task
    def choose(params: dict | None = None, dag_run: Any = None, ti: Any = None) -> list[int]:
        """Choose documents and split them into batches; returns the numbers of these."""
        from ocr_ops.airflow_glue import plan_again

        return plan_again(params or {}, dag_run, ti)

    @task(trigger_rule="none_failed_min_one_success")
    def report(run_id: str | None = None, ti: Any = None) -> str:
        """Tell what would change."""
        from ocr_ops.airflow_glue import tell_differences

        return tell_differences(run_id or "", ti)

    @task.branch
    def who_decides(params: dict | None = None, ti: Any = None) -> list[str]:
        """A person, the form, or nobody where nothing would change."""
        if not ti.xcom_pull(task_ids="report", key="proposed"):
            return []
        return ["ask"] if (params or {})["decision"] == "a person decides" else ["settle"]

    told = report()
    ask = HITLOperator(
        task_id="ask",
        subject="Promote the new versions of {{ ti.xcom_pull(task_ids='report', key='proposed') }} documents?",
        body=told,
        options=["Promote", "Discard", "Leave waiting"],
        defaults="Leave waiting",
        response_timeout=timedelta(days=14),
    )

    @task(trigger_rule="none_failed_min_one_success")
    def settle(params: dict | None = None, run_id: str | None = None, ti: Any = None) -> str:
        """Promote or discard, as was decided; all documents at once."""
        from ocr_ops.airflow_glue import settle_proposals

        return settle_proposals(params or {}, run_id or "", ti.xcom_pull(task_ids="ask"))

    branch = who_decides()
    document_batches(choose(), ends="propose") >> told >> branch
    branch >> ask >> (settled := settle())
    branch >> settled


reprocess_documents()
