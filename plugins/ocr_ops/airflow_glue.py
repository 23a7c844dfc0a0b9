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

from airflow.sdk import Asset, Metadata, task, task_group
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from ocr_ops.pools import LLM_POOL, OCR_POOL, WAREHOUSE_POOL

if TYPE_CHECKING:
    from ocr_ops.pipeline.workshop import Event, Report, Workshop
    from ocr_ops.settings import Settings

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

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout; a relative folder in the form is one of its folders, wherever Airflow's processes work."""

log = logging.getLogger("ocr_ops")


def document_batches(batches: Any) -> Any:
    """Map the three steps over batches, each batch on its own. Takes batch digests, gives one count by status a batch."""

    @task(pool=OCR_POOL)
    def read(batch: str) -> str:
        """Open and read every page of the batch."""
        from ocr_ops.pipeline.batches import read_batch

        shop = workshop()
        with waiting_for_servers(shop.settings.ocr_urls, shop.settings.ocr_api_key):
            return read_batch(shop, batch)

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
        """Load the batch into Postgres."""
        from ocr_ops.pipeline.batches import load_batch

        return load_batch(workshop(), batch, run_id=run_id or "")

    @task_group
    def batch(batch: str) -> Any:
        """One batch of documents."""
        return load(extract(read(batch)))

    return batch.expand(batch=batches)


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


def plan_folder(params: Mapping[str, Any], run_id: str) -> list[str]:
    """Plan the batches of a folder that a person named in the form."""
    from ocr_ops.pipeline.planning import plan
    from ocr_ops.pipeline.journey import Order
    from ocr_ops.settings import OcrEngine

    engine = params["engine"]
    order = Order(
        doc_type=params["doc_type"],
        engine=OcrEngine(engine) if engine in tuple(OcrEngine) else None,
        reprocess=params["reprocess"],
        batch_size=params["batch_size"],
    )
    folder = PROJECT / Path(params["folder"]).expanduser()
    return plan(workshop(), folder, order, run_id=run_id, dag_id="ingest_folder")


def plan_landing_zone(run_id: str) -> list[str]:
    """Plan the batches of what is new in the landing folder."""
    from ocr_ops.pipeline.planning import plan
    from ocr_ops.pipeline.journey import Order

    shop = workshop()
    folder = Path(shop.settings.landing_folder)
    return plan(shop, folder, Order(), run_id=run_id, dag_id="ingest_landing_zone", note_known=False)


def workshop() -> Workshop:
    """Everything the steps need, from the environment and Airflow's connections."""
    from ocr_ops.pipeline.workshop import Workshop

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
