"""What Airflow's processes load when they start: tasks are forked, and find their modules in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

SAY = """
import importlib, sys
sys.path.insert(0, sys.argv.pop())
settings = importlib.import_module("airflow_local_settings")
print(*[name in sys.modules for name in settings.NEEDED])
import threading
print(threading.active_count())
"""


def loaded(command: str, home: Path) -> tuple[set[str], int]:
    """What a process of this command has in memory then, and its threads."""
    told = subprocess.run(
        [sys.executable, "-c", SAY, command, str(PLUGINS)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"AIRFLOW_HOME": str(home)},
    ).stdout.splitlines()
    return set(told[-2].split()), int(told[-1])


@pytest.mark.parametrize("command", ["scheduler", "celery"])
def test_processes_that_fork_tasks_load_what_tasks_need_and_start_no_thread(command: str, tmp_path: Path):
    assert loaded(command, tmp_path) == ({"True"}, 1)


def test_other_processes_load_nothing(tmp_path: Path):
    assert loaded("api-server", tmp_path) == ({"False"}, 1)
