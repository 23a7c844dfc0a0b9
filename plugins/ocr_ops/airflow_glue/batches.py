"""The tasks that every DAG over documents shares: batches that flow on their own, waiting for servers, what is announced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, Metadata, task, task_group
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from ocr_ops.airflow_glue.connections import log, workshop
from ocr_ops.pools import LLM_POOL, OCR_POOL, WAREHOUSE_POOL

if TYPE_CHECKING:
    from ocr_ops.pipeline.workshop import Workshop

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
