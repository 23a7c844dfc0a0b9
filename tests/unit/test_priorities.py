"""Who goes first: what the cluster policy makes of a task instance, and that Airflow finds it beside the plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ocr_ops.priorities import WEIGHTS, task_instance_mutation_hook

PLUGINS = Path(__file__).parents[2] / "plugins"


def weight(dag_id: str, conf: Any) -> int:
    instance = SimpleNamespace(dag_id=dag_id, priority_weight=10)
    task_instance_mutation_hook(instance, dag_run=conf and SimpleNamespace(conf=conf))
    return instance.priority_weight


@pytest.mark.parametrize("word", WEIGHTS)
def test_a_run_of_a_folder_has_the_weight_of_its_priority(word: str):
    assert weight("ingest_folder", {"priority": word}) == WEIGHTS[word]


def test_what_no_run_asked_for_stays_as_it_is():
    assert weight("ingest_folder", {"folder": "samples"}) == 10
    assert weight("ingest_folder", {"priority": "now!"}) == 10
    assert weight("ingest_folder", None) == 10
    assert weight("of_somebody_else", {"priority": "high"}) == 10


@pytest.mark.airflow
def test_airflow_finds_the_policy_and_asks_it_before_it_makes_a_task_instance(tmp_path: Path):
    script = (
        "from types import SimpleNamespace as S\n"
        "from airflow import settings\n"
        "one = S(dag_id='ingest_folder', priority_weight=10)\n"
        "settings.task_instance_mutation_hook(one, dag_run=S(conf={'priority': 'high'}))\n"
        "print(one.priority_weight, settings.task_instance_mutation_hook.is_noop)"
    )
    env = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True, timeout=120
    )

    assert done.stdout.splitlines()[-1] == f"{WEIGHTS['high']} False"
