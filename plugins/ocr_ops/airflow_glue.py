"""The only module that knows Airflow: connections -> Settings, the tasks every ingest DAG shares, errors -> retries.

Imported while DAG files are parsed, so everything heavy is imported inside the tasks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, BaseNotifier, Metadata, task, task_group
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from ocr_ops.pools import LLM_POOL, OCR_POOL, WAREHOUSE_POOL

if TYPE_CHECKING:
    from ocr_ops.pipeline.workshop import Event, Report, Workshop
    from ocr_ops.settings import OcrEngine, Settings
    from ocr_ops.sources import Source

MARTS = Asset("x-ocr-ops://marts")
"""Updated whenever a run loaded something; schedule on it."""

RETRY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception="ocr_ops.errors.TerminalError", action=RetryAction.FAIL),
        RetryRule(exception="ocr_ops.errors.TransientError", retry_delay=timedelta(seconds=30)),
    ]
)
RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=10), "retry_policy": RETRY}
"""Default arguments of every DAG: what cannot help is not tried again, what can is tried after a while."""

FIRST_WAIT_S, LONGEST_WAIT_S, MOST_WAITS = 5, 60, 1440
"""Seconds between two looks at model servers that are all away, doubling; after so many looks (a day) the task fails."""

ALERTS = "ocr_ops_alerts"
"""Connection whose password is a webhook's URL and whose login an e-mail address; or the setting OCR_OPS_ALERTS."""

_FINDINGS = 20
"""Findings of a proof that a task's log shows."""

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout; a relative folder in the form is one of its folders, wherever Airflow's processes work."""

log = logging.getLogger("ocr_ops")


class Alert(BaseNotifier):  # type: ignore[misc]
    """Tell people that a run failed: by e-mail (connection `smtp_default`) or to a webhook that takes `{"text": ...}`."""

    def __init__(self, what: str = "failed") -> None:
        super().__init__()
        self.what = what

    def notify(self, context: Any) -> None:
        """Send one sentence to every address; one that cannot be reached is logged and costs no other."""
        from ocr_ops.alerting import alert_words, send

        words = alert_words(context, self.what)
        for address in _alert_addresses(os.environ):
            send(address, words, mail=_send_mail)


def tell_late(context: Any = None, **_: Any) -> None:
    """What a deadline calls when a run takes longer than it should."""
    Alert("is late").notify(context or {})


def late_after(time: timedelta) -> DeadlineAlert | None:
    """Alert when a run has not ended so long after it was queued; the run goes on. None where `OCR_OPS_ALERTS` names nobody.

    `airflow dags test` of Airflow 3.3.2 fails on a DAG with a deadline, so there is none where nobody would hear of it.
    """
    if not os.environ.get("OCR_OPS_ALERTS"):
        return None
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, time, SyncCallback(tell_late))


def _alert_addresses(env: Mapping[str, str]) -> tuple[str, ...]:
    from ocr_ops.settings import Settings

    given = Settings.from_env(env).alerts
    if not given and (connection := _connection(ALERTS)) is not None:
        given = ",".join(part for part in (connection.password, connection.login) if part)
    return tuple(part.strip() for part in given.split(",") if part.strip())


def _send_mail(to: str, words: str) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    SmtpNotifier(to=to, subject=words[:150], html_content=words).notify({})


def document_batches(found: Any, *, ends: str = "load") -> Any:
    """Map the three steps over batches, each batch on its own; gives the counts of each batch.

    `found` is a task that returned `batches_found`. The last step loads, or with `propose` lets what differs wait for a
    decision, or with `compare` only compares with what counts.
    """

    @task(pool=OCR_POOL)
    def read(plan: str, number: int) -> str:
        """Open and read every page of the batch."""
        from ocr_ops.pipeline.batches import read_batch
        from ocr_ops.pipeline.planning import batch_of

        shop = workshop()
        with waiting_for_servers(shop.settings.ocr_urls, shop.settings.ocr_api_key):
            return read_batch(shop, batch_of(shop, plan, number))

    @task(pool=LLM_POOL)
    def extract(batch: str) -> str:
        """Propose, check and judge the fields of the batch."""
        from ocr_ops.pipeline.batches import extract_batch

        shop = workshop()
        llm = shop.settings.llm_url
        with waiting_for_servers((llm,) if llm else (), shop.settings.llm_api_key):
            return extract_batch(shop, batch)

    @task(pool=WAREHOUSE_POOL, multiple_outputs=False)
    def load(batch: str, run_id: str | None = None) -> dict[str, int]:
        """Load the batch into Postgres, propose it, or compare it with what is there."""
        from ocr_ops.pipeline.batches import compare_batch, load_batch

        if ends == "compare":
            return compare_batch(workshop(), batch)
        return load_batch(workshop(), batch, run_id=run_id or "", propose=ends == "propose")

    @task_group
    def batch(plan: str, number: int) -> Any:
        """One batch of documents."""
        return load(extract(read(plan, number)))

    return batch.partial(plan=found["plan"]).expand(number=found)


def batches_found(shop: Workshop, batches: Sequence[str], ti: Any) -> list[int]:
    """What a task that finds documents returns: numbers to map over. The digest of the plan is its XCom `plan`."""
    from ocr_ops.pipeline.planning import store_plan

    ti.xcom_push(key="plan", value=store_plan(shop, batches))
    return list(range(len(batches)))


@task(outlets=[MARTS], trigger_rule="none_failed_min_one_success")
def announce_rows(counts: Any, run_id: str | None = None) -> Iterator[Metadata]:
    """Close the run and say that rows were loaded, and how many documents ended in which status.

    Skipped when nothing was new.
    """
    from ocr_ops.pipeline.batches import finish

    totals: dict[str, int] = {}
    # Airflow gives the value itself, and no sequence, where a mapped group ran once
    for batch in (counts,) if isinstance(counts, Mapping) else counts:
        for status, number in batch.items():
            totals[status] = totals.get(status, 0) + number
    finish(workshop(), run_id or "")
    log.info("loaded: %s", ", ".join(f"{number} {status}" for status, number in sorted(totals.items())))
    yield Metadata(MARTS, totals)


@contextmanager
def waiting_for_servers(urls: Sequence[str], api_key: str) -> Iterator[None]:
    """Give the worker slot back while no model server answers; the task comes back by itself, its tries untouched.

    A fault while some server answers is the task's own: it is raised, and the retry policy counts it.
    """
    from airflow.sdk import get_current_context

    from ocr_ops.errors import ModelBusy, ModelUnreachable
    from ocr_ops.pipeline.answering import somebody_answers

    waits = get_current_context().get("task_reschedule_count", 0)
    if waits and urls and not somebody_answers(urls, api_key):
        _come_back(waits, ModelUnreachable("no model server answers yet"))
    try:
        yield
    except ModelBusy as problem:
        _come_back(waits, problem)
    except ModelUnreachable as problem:
        if urls and somebody_answers(urls, api_key):
            raise
        _come_back(waits, problem)


def _come_back(waits: int, problem: Exception) -> NoReturn:
    from airflow.sdk.exceptions import AirflowRescheduleException

    if waits >= MOST_WAITS:
        raise problem
    seconds = min(FIRST_WAIT_S * 2**waits, LONGEST_WAIT_S)
    log.warning(
        "%s; the worker slot is free meanwhile, next look in %d s (wait %d)", problem, seconds, waits + 1
    )
    raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=seconds)) from problem


def sum_up(forecast: str | None, run_id: str) -> str:
    """What a run did, in words for a person; of a dry run what it would do."""
    from ocr_ops.pipeline.batches import finish

    words = forecast or finish(workshop(), run_id).in_words()
    log.info("%s", words)
    return words


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


def tell_differences(run_id: str, ti: Any) -> str:
    """What a run proposes, in Markdown; the number of documents is the XCom `proposed`."""
    from ocr_ops.pipeline.reprocessing import report

    told = report(workshop(), run_id=run_id)
    ti.xcom_push(key="proposed", value=told.proposed)
    log.info(
        "%d documents would change; the differences are %s in the audit store", told.proposed, told.table
    )
    return told.words


def settle_proposals(params: Mapping[str, Any], run_id: str, answer: Mapping[str, Any] | None) -> str:
    """Promote or discard what a run proposed, as a person or the form said."""
    from ocr_ops.pipeline.reprocessing import decide

    chosen = answer["chosen_options"][0] if answer else params["decision"]
    if chosen == "Leave waiting":
        return "the proposals wait in marts.proposed_changes"
    what, by = chosen.lower(), person_of(answer) if answer else "reprocess_documents"
    number = decide(workshop(), run_id=run_id, what=what, by=by, reason=params["reason"])
    return f"{number} documents: {what}"


def retain(policy: str, run_id: str, *, dry_run: bool) -> str:
    """Carry out the retention policy, or only say what it asks for."""
    from ocr_ops.pipeline import retention, retention_policy

    shop, path = workshop(), _folder(policy) if policy else retention_policy.FILE
    url = shop.settings.database_url
    planned = retention.plan(shop.store, url, path.read_bytes(), now=datetime.now(UTC))
    if not dry_run:
        retention.carry_out(shop.store, url, planned, by=f"enforce_retention {run_id}")
    size = f"{planned.digests + len(planned.left_over)} objects, {planned.size_bytes / 1e6:.1f} MB"
    held = "".join(f"; {count} kept by {name}" for name, count in planned.held.items())
    return f"{size}: {'would be removed' if dry_run else 'removed'}{held}"


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


def plan_quality_sample(params: Mapping[str, Any], dag_run: Any, ti: Any) -> list[int]:
    """Plan the batches of a sample of what was accepted in the run's interval."""
    from ocr_ops.pipeline.quality import plan_sample
    from ocr_ops.settings import OcrEngine

    end = dag_run.data_interval_end or dag_run.run_after
    start = dag_run.data_interval_start or end
    if start == end:  # triggered by hand
        start = end - timedelta(days=params["days"])
    shop = workshop()
    engine = OcrEngine(params["second_engine"])
    batches = plan_sample(
        shop, size=params["size"], since=start, until=end, engine=engine, run_id=dag_run.run_id
    )
    return batches_found(shop, batches, ti)


def judge_quality(counts: Any, run_id: str) -> str:
    """Say how many of the sample differ; TerminalError, and so an alert, when that is more than chance explains."""
    from ocr_ops.errors import TerminalError
    from ocr_ops.pipeline.quality import control

    judged = control(workshop(), (counts,) if isinstance(counts, Mapping) else list(counts), run_id=run_id)
    log.info("%s", judged.in_words())
    if judged.broken:
        raise TerminalError(judged.in_words())
    return judged.in_words()


def documents_to_ask_about(params: Mapping[str, Any]) -> list[str]:
    """The documents that have waited longest for a person."""
    from ocr_ops.pipeline.reviewing import waiting

    return waiting(workshop(), limit=params["limit"], doc_type=params["doc_type"])


def question_about(document: str) -> tuple[str, str]:
    """Headline and body of the question about a document."""
    from ocr_ops.pipeline.reviewing import question

    return question(workshop(), document)


def settle_document(document: str, answer: Mapping[str, Any], run_id: str) -> str:
    """Write what a person decided about a document."""
    from ocr_ops.pipeline.reviewing import settle

    chosen = answer["chosen_options"][0]
    return settle(workshop(), document, answer=chosen, by=person_of(answer), run_id=run_id)


def person_of(answer: Mapping[str, Any]) -> str:
    """Who answered a question, as Airflow knows them."""
    user = answer.get("responded_by_user") or {}
    return str(user.get("name") or user.get("id") or "nobody (the time to answer ran out)")


def known_doc_types() -> tuple[str, ...]:
    """The document types there are; read while DAG files are parsed."""
    from ocr_ops.schemas import doc_types

    return doc_types()


def sources() -> tuple[Source, ...]:
    """Where documents are picked up, as configured; read while DAG files are parsed."""
    from ocr_ops.sources import configured_sources

    return configured_sources(os.environ, doc_types=known_doc_types())


def plan_source(source: Source, run_id: str, ti: Any) -> list[int]:
    """Plan the batches of what is new at a source."""
    from ocr_ops.pipeline.journey import Order
    from ocr_ops.pipeline.planning import plan

    order = Order(
        doc_type=source.doc_type,
        engine=_engine(source.engine),
        batch_size=source.batch_size,
        tenant=source.tenant,
    )
    shop = workshop()
    batches = plan(shop, _folder(source.folder), order, run_id=run_id, dag_id=source.dag_id, note_known=False)
    return batches_found(shop, batches, ti)


def plan_folder(params: Mapping[str, Any], run_id: str, ti: Any) -> list[int]:
    """Plan the batches of a folder that a person named in the form; of a dry run only say what they would be."""
    from ocr_ops.pipeline.expectations import expect
    from ocr_ops.pipeline.journey import Order
    from ocr_ops.pipeline.planning import plan

    order = Order(
        doc_type=params["doc_type"],
        engine=_engine(params["engine"]),
        reprocess=params["reprocess"],
        batch_size=params["batch_size"],
        tenant=params["tenant"],
        limit=params["limit"] or 0,
    )
    shop, folder = workshop(), _folder(params["folder"])
    if params["dry_run"]:
        ti.xcom_push(key="forecast", value=expect(shop, folder, order).in_words())
        return batches_found(shop, (), ti)
    return batches_found(shop, plan(shop, folder, order, run_id=run_id, dag_id="ingest_folder"), ti)


def _engine(name: str) -> OcrEngine | None:
    from ocr_ops.settings import OcrEngine

    return OcrEngine(name) if name in tuple(OcrEngine) else None


def _folder(name: str) -> Path:
    return PROJECT / Path(name.removeprefix("file://")).expanduser()


def workshop() -> Workshop:
    """Everything the steps need, from the environment and Airflow's connections."""
    from ocr_ops.pipeline.workshop import Workshop

    logging.getLogger("httpx2").setLevel(
        logging.WARNING
    )  # a line for every request would bury those of documents
    return Workshop.from_settings(airflow_settings(os.environ), progress_report(os.environ))


def airflow_settings(env: Mapping[str, str]) -> Settings:
    """Settings from `OCR_OPS_*`; what is not set there comes from the connections `ocr_ops_vllm`, `ocr_ops_llm` and
    `ocr_ops_warehouse`, where they exist."""
    from ocr_ops.settings import Settings

    merged = dict(env)
    for name, settings_of in _CONNECTIONS.items():
        if not env.get(_DECIDED_BY[name]) and (connection := _connection(name)) is not None:
            merged.update(
                {key: value for key, value in settings_of(connection).items() if value and not env.get(key)}
            )
    return Settings.from_env(merged)


def _connection(name: str) -> Any:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None


def _base_url(connection: Any) -> str:
    host = connection.host or ""
    if "://" in host:
        return str(host)
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'http'}://{host}{port}/v1" if host else ""


_CONNECTIONS: dict[str, Any] = {
    "ocr_ops_vllm": lambda c: {"OCR_OPS_OCR_URLS": _base_url(c), "OCR_OPS_OCR_API_KEY": c.password},
    "ocr_ops_llm": lambda c: {
        "OCR_OPS_LLM_URL": _base_url(c),
        "OCR_OPS_LLM_API_KEY": c.password,
        "OCR_OPS_LLM_MODEL": c.extra_dejson.get("model", ""),
        "OCR_OPS_LLM_PROVIDER": c.extra_dejson.get("provider", ""),
        "OCR_OPS_LLM_REGION": c.extra_dejson.get("region", ""),
    },
    "ocr_ops_warehouse": lambda c: {
        "OCR_OPS_DATABASE_URL": c.get_uri().replace("postgres://", "postgresql+psycopg://")
    },
}
_DECIDED_BY = {
    "ocr_ops_vllm": "OCR_OPS_OCR_URLS",
    "ocr_ops_llm": "OCR_OPS_LLM_URL",
    "ocr_ops_warehouse": "OCR_OPS_DATABASE_URL",
}


def progress_report(env: Mapping[str, str]) -> Report:
    """Log one line a document, and append every event to `OCR_OPS_PROGRESS_FILE` where somebody watches it."""
    path = env.get("OCR_OPS_PROGRESS_FILE")

    def report(event: Event) -> None:
        if event.detail:
            log.info("%s: %s: %s", event.stage, event.name, event.detail)
        if path:
            from ocr_ops.codec import to_json

            with Path(path).open("ab") as file:
                file.write(to_json(event) + b"\n")

    return report
