"""Airflow's own questions to people about one document each. Imported by the DAG files that ask."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator


class DocumentQuestion(HITLOperator):  # type: ignore[misc]
    """Asks about one document; what the question says is looked up when it is asked."""

    template_fields = (*HITLOperator.template_fields, "document")

    def __init__(self, *, document: str, checking: bool = False, **kwargs: Any) -> None:
        super().__init__(subject="Is this document right?", **kwargs)
        self.document, self.checking = document, checking

    def execute(self, context: Any) -> Any:
        """Write the question, then wait without holding a worker."""
        from ocr_ops.airflow_glue.upkeep import question_about

        self.subject, self.body = question_about(self.document, checking=self.checking)
        return super().execute(context)
