"""The only package that knows Airflow: connections -> Settings, the tasks that DAGs share, errors -> retries.

Imported while DAG files are parsed, so everything heavy is imported inside the tasks.
"""

from __future__ import annotations

from ocr_ops.airflow_glue.alerts import Alert, late_after, tell_late
from ocr_ops.airflow_glue.batches import (
    MARTS,
    RETRIES,
    announce_rows,
    batches_found,
    document_batches,
)
from ocr_ops.airflow_glue.connections import PROJECT, airflow_settings, progress_report, workshop
from ocr_ops.airflow_glue.ingesting import known_doc_types, plan_folder, plan_source, sources, sum_up
from ocr_ops.airflow_glue.upkeep import (
    documents_to_ask_about,
    documents_to_check,
    judge_quality,
    person_of,
    plan_again,
    plan_quality_sample,
    prove_audit,
    question_about,
    retain,
    settle_document,
    settle_proposals,
    tell_differences,
)
from ocr_ops.airflow_glue.waiting import waiting_for_servers, waiting_for_warehouse

__all__ = [
    "MARTS",
    "PROJECT",
    "RETRIES",
    "Alert",
    "airflow_settings",
    "announce_rows",
    "batches_found",
    "document_batches",
    "documents_to_ask_about",
    "documents_to_check",
    "judge_quality",
    "known_doc_types",
    "late_after",
    "person_of",
    "plan_again",
    "plan_folder",
    "plan_quality_sample",
    "plan_source",
    "progress_report",
    "prove_audit",
    "question_about",
    "retain",
    "settle_document",
    "settle_proposals",
    "sources",
    "sum_up",
    "tell_differences",
    "tell_late",
    "waiting_for_servers",
    "waiting_for_warehouse",
    "workshop",
]
