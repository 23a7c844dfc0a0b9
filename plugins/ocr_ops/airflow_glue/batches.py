"""The tasks that every DAG over documents shares: batches that flow on their own, and what is announced."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, Metadata, task, task_group
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from ocr_ops.airflow_glue.connections import log, workshop
from ocr_ops.airflow_glue.waiting import waiting_for_servers, waiting_for_warehouse
from ocr_ops.pools import LLM_POOL, OCR_POOL, WAREHOUSE_POOL
from ocr_ops.sources import run_name

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


GIVES_WAY = 5
"""How much nicer than its neighbours a task is that no server waits for (0 .. 19, see `nice`)."""


def document_batches(found: Any, *, ends: str = "load", pool: str = OCR_POOL) -> Any:
    """Map the three steps over batches, each batch on its own; gives the counts of each batch.

    `found` is a task that returned `batches_found`. The last step loads, or with `propose` lets what differs wait for a
    decision, or with `compare` only compares with what counts. `pool` is where pages are read. On a machine with few cores
    tasks that read, and Airflow itself, go before those that extract and load: servers wait for the former.
    """

    @task(pool=pool)
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

        os.nice(GIVES_WAY)
        shop = workshop()
        llm = shop.settings.llm_url
        with waiting_for_servers((llm,) if llm else (), shop.settings.llm_api_key):
            return extract_batch(shop, batch)

    @task(pool=WAREHOUSE_POOL, multiple_outputs=False)
    def load(batch: str, run_id: str | None = None, ti: Any = None) -> dict[str, int]:
        """Load the batch into Postgres, propose it, or compare it with what is there."""
        from ocr_ops.airflow_glue.lineage import note_load
        from ocr_ops.pipeline.batches import compare_batch, load_batch

        os.nice(GIVES_WAY)
        shop = workshop()
        with waiting_for_warehouse():
            if ends == "compare":
                return compare_batch(shop, batch)
            counts = load_batch(
                shop, batch, run_id=run_name(ti.dag_id, run_id or ""), propose=ends == "propose"
            )
        note_load(shop, batch, counts, ti)
        return counts

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


def each_of(values: Any) -> list[Any]:
    """What mapped tasks gave: Airflow gives the value itself where a mapped group ran once, and nothing where it never did."""
    return [values] if isinstance(values, Mapping) else list(values or ())


@task(outlets=[MARTS], trigger_rule="none_failed_min_one_success")
def announce_rows(counts: Any, run_id: str | None = None, ti: Any = None) -> Iterator[Metadata]:
    """Close the run and say that rows were loaded, and how many documents ended in which status.

    Skipped when nothing was new.
    """
    from ocr_ops.pipeline.batches import finish

    totals: dict[str, int] = {}
    for batch in each_of(counts):
        for status, number in batch.items():
            totals[status] = totals.get(status, 0) + number
    with waiting_for_warehouse():
        finish(workshop(), run_name(ti.dag_id, run_id or ""))
    log.info("loaded: %s", ", ".join(f"{number} {status}" for status, number in sorted(totals.items())))
    yield Metadata(MARTS, totals)
