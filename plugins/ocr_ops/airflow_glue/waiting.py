"""Tasks that wait for a model server or the warehouse without holding a worker, their tries untouched, for a day at most.

What goes wrong while the other side answers is no waiting: it is raised, and the retry policy counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from ocr_ops.airflow_glue.connections import log, workshop
from ocr_ops.errors import ModelBusy, ModelUnreachable, WarehouseUnavailable

FIRST_WAIT_S, LONGEST_WAIT_S, MOST_WAITS = 10, 60, 1440
"""Seconds between two looks at what is away, doubling; after so many looks (a day) the task fails.

The first wait is longer than Airflow may take to notice that the process of a task has ended (`[workers] min_heartbeat_interval`, 5 s, where
it misses the moment): a task that is queued again before that is taken for one that died in the queue, which costs it a try.
"""


@contextmanager
def waiting_for_servers(urls: Sequence[str], api_key: str) -> Iterator[None]:
    """Give the worker slot back while no model server answers; the task comes back by itself."""
    from ocr_ops.pipeline.answering import somebody_answers

    if urls and _waits() and not somebody_answers(urls, api_key):
        _come_back(ModelUnreachable("no model server answers yet"))
    try:
        yield
    except ModelBusy as problem:
        _come_back(problem)
    except ModelUnreachable as problem:
        if urls and somebody_answers(urls, api_key):
            raise
        _come_back(problem)


@contextmanager
def waiting_for_warehouse() -> Iterator[None]:
    """The same while Postgres does not answer; also a decorator."""
    try:
        yield
    except WarehouseUnavailable as problem:
        from ocr_ops.pipeline.answering import warehouse_answers

        if warehouse_answers(workshop().settings.database_url):
            raise
        _come_back(problem)


def _waits() -> int:
    """How often this try has waited already."""
    from airflow.sdk import get_current_context

    return int(get_current_context().get("task_reschedule_count", 0))


def _come_back(problem: Exception) -> NoReturn:
    from airflow.sdk.exceptions import AirflowRescheduleException

    waits = _waits()
    if waits >= MOST_WAITS:
        raise problem
    seconds = min(FIRST_WAIT_S * 2**waits, LONGEST_WAIT_S)
    log.warning(
        "%s; the worker slot is free meanwhile, next look in %d s (wait %d)", problem, seconds, waits + 1
    )
    raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=seconds)) from problem
