"""Which documents go first where runs wait for the same places: words that people choose -> weights that Airflow sorts by. Pure.

Airflow fixes a task's weight when a DAG is parsed. A source has a DAG of its own, which is given the weight; for a run of
`ingest_folder` a cluster policy (`plugins/airflow_local_settings.py`) sets the weight of each task instance as it is made.
"""

from __future__ import annotations

from typing import Any

WEIGHTS = {"low": 1, "normal": 10, "high": 100}
"""Weights of the tasks of a run. Those of DAGs that look after documents already there have less than `normal`."""

NORMAL = "normal"
CHOSEN_IN = "ingest_folder"
"""The DAG whose runs carry a `priority` in their conf."""


def task_instance_mutation_hook(task_instance: Any, dag_run: Any) -> None:
    """Give a task instance the weight that its run asks for; others stay as they are."""
    if task_instance.dag_id != CHOSEN_IN or dag_run is None:
        return
    weight = WEIGHTS.get(str((dag_run.conf or {}).get("priority")))
    if weight is not None:
        task_instance.priority_weight = weight
