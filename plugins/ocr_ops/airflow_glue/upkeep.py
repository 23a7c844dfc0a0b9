"""What the DAGs do that look after documents already there: process again, review, sample, prove, retain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ocr_ops.airflow_glue.batches import batches_found, each_of
from ocr_ops.airflow_glue.connections import folder_of, log, workshop
from ocr_ops.airflow_glue.waiting import waiting_for_warehouse

_FINDINGS = 20
"""Findings of a proof that a task's log shows."""


@waiting_for_warehouse()
def plan_again(params: Mapping[str, Any], dag_run: Any, ti: Any) -> list[int]:
    """Plan the batches of documents to process again; a run that the schedule started has none."""
    from ocr_ops.pipeline.reprocessing import choice_from, plan_again

    kind = str(getattr(dag_run.run_type, "value", dag_run.run_type))
    if kind == "scheduled":
        log.info("started by the schedule, which is there for backfills: nothing to do")
        return []
    interval = None
    if kind.startswith("backfill"):
        interval = (dag_run.data_interval_start, dag_run.data_interval_end)
    shop = workshop()
    planned = plan_again(
        shop, choice_from(params, interval), params, run_id=dag_run.run_id, dag_id="reprocess_documents"
    )
    log.info(
        "%d documents; %d left out, since what they need is not kept", planned.documents, planned.left_out
    )
    return batches_found(shop, planned.batches, ti)


@waiting_for_warehouse()
def tell_differences(run_id: str, ti: Any) -> str:
    """What a run proposes, in Markdown; the number of documents is the XCom `proposed`."""
    from ocr_ops.pipeline.reprocessing import report

    told = report(workshop(), run_id=run_id)
    ti.xcom_push(key="proposed", value=told.proposed)
    log.info(
        "%d documents would change; the differences are %s in the audit store", told.proposed, told.table
    )
    return told.words


@waiting_for_warehouse()
def settle_proposals(params: Mapping[str, Any], run_id: str, answer: Mapping[str, Any] | None) -> str:
    """Promote or discard what a run proposed, as a person or the form said."""
    from ocr_ops.pipeline.reprocessing import decide

    chosen = answer["chosen_options"][0] if answer else params["decision"]
    if chosen == "Leave waiting":
        return "the proposals wait in marts.proposed_changes"
    what, by = chosen.lower(), person_of(answer) if answer else "reprocess_documents"
    number = decide(workshop(), run_id=run_id, what=what, by=by, reason=params["reason"])
    return f"{number} documents: {what}"


@waiting_for_warehouse()
def retain(policy: str, run_id: str, *, dry_run: bool) -> str:
    """Carry out the retention policy, or only say what it asks for."""
    from ocr_ops.pipeline import retention, retention_policy

    shop, path = workshop(), folder_of(policy) if policy else retention_policy.FILE
    url = shop.settings.database_url
    planned = retention.plan(shop.store, url, path.read_bytes(), now=datetime.now(UTC))
    if not dry_run:
        retention.carry_out(shop.store, url, planned, by=f"enforce_retention {run_id}")
    size = f"{planned.digests + len(planned.left_over)} objects, {planned.size_bytes / 1e6:.1f} MB"
    held = "".join(f"; {count} kept by {name}" for name, count in planned.held.items())
    return f"{size}: {'would be removed' if dry_run else 'removed'}{held}"


@waiting_for_warehouse()
def prove_audit(sample: int | None) -> str:
    """Prove the audit store and its chain; TerminalError, and so an alert, when anything is broken."""
    from ocr_ops.errors import AuditBroken
    from ocr_ops.pipeline.proof import prove

    shop = workshop()
    proof = prove(shop.store, shop.settings.database_url, sample=sample)
    for one in proof.broken[:_FINDINGS]:
        log.error("%s %s: %s", one.kind, one.path, one.detail)
    words = f"{proof.rows} rows of the chain, {proof.links} links, {proof.objects} objects read: {len(proof.broken)} broken"
    if not proof.ok:
        raise AuditBroken(words)
    return words


@waiting_for_warehouse()
def plan_quality_sample(params: Mapping[str, Any], dag_run: Any, ti: Any) -> list[int]:
    """Plan the batches of a sample of what was accepted in the run's interval; none where people check."""
    from ocr_ops.pipeline.quality import PEOPLE, plan_sample
    from ocr_ops.settings import OcrEngine

    shop, by = workshop(), params["second_engine"]
    if by == PEOPLE:
        return batches_found(shop, (), ti)
    drawn = _drawn(params, dag_run)
    return batches_found(shop, plan_sample(shop, engine=OcrEngine(by), **drawn), ti)


@waiting_for_warehouse()
def documents_to_check(params: Mapping[str, Any], dag_run: Any) -> list[str]:
    """The sample that people check; empty where an engine does."""
    from ocr_ops.pipeline.quality import PEOPLE, sample_for_people

    if params["second_engine"] != PEOPLE:
        return []
    return sample_for_people(workshop(), **_drawn(params, dag_run))


def _drawn(params: Mapping[str, Any], dag_run: Any) -> dict[str, Any]:
    """How a sample is drawn: from the run's interval, or from the days that the form names."""
    end = dag_run.data_interval_end or dag_run.run_after
    start = dag_run.data_interval_start or end
    if start == end:  # triggered by hand
        start = end - timedelta(days=params["days"])
    return {"size": params["size"], "since": start, "until": end, "run_id": dag_run.run_id}


@waiting_for_warehouse()
def judge_quality(params: Mapping[str, Any], counts: Any, answers: Any, run_id: str) -> str:
    """Say how many of the sample are wrong; TerminalError, and so an alert, when that is more than chance explains."""
    from ocr_ops.errors import TerminalError
    from ocr_ops.pipeline.quality import answers_counted, control

    said = [answer["chosen_options"][0] for answer in each_of(answers)]
    judged = control(
        workshop(), [*each_of(counts), answers_counted(said)], run_id=run_id, by=params["second_engine"]
    )
    log.info("%s", judged.in_words())
    if judged.broken:
        raise TerminalError(judged.in_words())
    return judged.in_words()


@waiting_for_warehouse()
def documents_to_ask_about(params: Mapping[str, Any]) -> list[str]:
    """The documents that have waited longest for a person."""
    from ocr_ops.pipeline.choosing import ANY
    from ocr_ops.pipeline.reviewing import waiting

    doc_type = None if params["doc_type"] == ANY else params["doc_type"]
    return waiting(workshop(), limit=params["limit"], doc_type=doc_type)


@waiting_for_warehouse()
def question_about(document: str, *, checking: bool = False) -> tuple[str, str]:
    """Headline and body of the question about a document that is held back, or about an accepted one."""
    from ocr_ops.pipeline.reviewing import question

    return question(workshop(), document, checking=checking)


@waiting_for_warehouse()
def settle_document(document: str, answer: Mapping[str, Any], run_id: str) -> str:
    """Write what a person decided about a document."""
    from ocr_ops.pipeline.reviewing import settle

    chosen = answer["chosen_options"][0]
    return settle(workshop(), document, answer=chosen, by=person_of(answer), run_id=run_id)


def person_of(answer: Mapping[str, Any]) -> str:
    """Who answered a question, as Airflow knows them."""
    user = answer.get("responded_by_user") or {}
    return str(user.get("name") or user.get("id") or "nobody (the time to answer ran out)")
