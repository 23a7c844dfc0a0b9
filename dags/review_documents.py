"""Ask people about documents that are held back, as Airflow's own questions, for teams that live in Airflow."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag, task, task_group

from ocr_ops.airflow_glue import RETRIES, Alert, known_doc_types, late_after
from ocr_ops.airflow_glue.asking import DocumentQuestion

DOC_MD = """
### Review documents

Takes the documents that have waited longest and asks about each one under *Required Actions*: approve, reject, or later. The answer
becomes a version of the document with the name of who gave it. A question nobody answers within three days ends as *Later*.

* Compare with the page before you approve: the question says how to see it.
* To correct values a yes or no is not enough; leave such documents for *Later*.
"""


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    on_failure_callback=Alert(),
    deadline=late_after(timedelta(days=4)),
    doc_md=DOC_MD,
    tags=["ocr-ops", "review"],
    params={
        "limit": Param(
            10,
            type="integer",
            minimum=1,
            maximum=20,
            title="Questions",
            description_md="At most so many documents, the longest waiting first.",
        ),
        "doc_type": Param(
            "any",
            enum=["any", *known_doc_types()],
            title="Document type",
            description_md="Only documents of this type.",
        ),
    },
)
def review_documents() -> None:
    """Find what waits; ask and settle each document on its own."""

    @task
    def choose(params: dict | None = None) -> list[str]:
        """Find the documents to ask about."""
        from ocr_ops.airflow_glue import documents_to_ask_about

        return documents_to_ask_about(params or {})

    @task
    def settle(document: str, answer: dict, run_id: str | None = None) -> str:
        """Write what was decided."""
        from ocr_ops.airflow_glue import settle_document

        return settle_document(document, answer, run_id or "")

    @task_group
    def document(document: str) -> None:
        """One document."""
        ask = DocumentQuestion(
            task_id="ask",
            document=document,
            options=["Approve", "Reject", "Later"],
            defaults="Later",
            response_timeout=timedelta(days=3),
        )
        settle(document, ask.output)

    document.expand(document=choose())


review_documents()
