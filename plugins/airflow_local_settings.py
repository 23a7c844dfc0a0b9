"""Imported by every Airflow process when it starts. Those that fork tasks load here, once, what their tasks need; the scheduler
finds here who goes first (`ocr_ops.priorities`), before it makes a task instance.

A scheduler with LocalExecutor and a Celery worker fork a process for each task: it finds these modules in memory, where it
would otherwise spend a second of processor time on them, whatever it does. Nothing here opens a connection or starts a
thread. Other executors and processes are left alone.
"""

from __future__ import annotations

import importlib
import sys

from ocr_ops.priorities import task_instance_mutation_hook

FORKING = ("scheduler", "celery")
"""Commands of Airflow whose children are tasks."""

NEEDED = (
    "airflow.sdk.execution_time.task_runner",
    "openai.resources.chat",
    "ocr_ops.pipeline.batches",
    "ocr_ops.pipeline.planning",
)

__all__ = ["task_instance_mutation_hook"]
"""What Airflow takes over; nothing else of it is for its own settings."""

if sys.argv[1:2] and sys.argv[1] in FORKING:
    for _name in NEEDED:
        importlib.import_module(_name)
