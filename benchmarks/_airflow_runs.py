"""A real Airflow of the benchmark's own (four services, LocalExecutor, embedded Postgres), runs in it, and what they took.

In: a folder to keep everything in, pools, environment. Out: a running Airflow, and for each run its wall-clock time,
the times of its tasks, memory and CPU of every process. Everything is stopped and deleted afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ocr_ops import warehouse
from ocr_ops.local import processes, services
from ocr_ops.local.airflow_home import AirflowHome
from ocr_ops.local.machine import METADATA, PROJECT, Machine
from ocr_ops.local.processes import Process

DAG = "ingest_folder"
TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """One task of a run, seconds since 1970."""

    name: str
    state: str
    queued: float
    begun: float
    ended: float


@dataclass(slots=True)
class Usage:
    """What the processes of one service used: CPU seconds, and memory in MiB early and late in the run."""

    cpu_s: float = 0.0
    rss_mib: list[float] = field(default_factory=list)

    def grown(self) -> float:
        """Largest memory of the last quarter over that of the second."""
        quarter = max(1, len(self.rss_mib) // 4)
        early = self.rss_mib[quarter : 2 * quarter] or self.rss_mib
        return max(self.rss_mib[-quarter:], default=0.0) / max(early, default=1.0)


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of the DAG."""

    state: str
    seconds: float
    tasks: tuple[TaskTimes, ...]
    usage: Mapping[str, Usage]


class Airflow:
    """One that runs."""

    def __init__(self, machine: Machine, home: AirflowHome) -> None:
        self.machine, self.home = machine, home
        user, password = home.login
        self._token = ""
        self._token = self._ask("POST", "/auth/token", {"username": user, "password": password})[
            "access_token"
        ]

    def run(self, conf: Mapping[str, Any], *, every_s: float = 0.5) -> Ran:
        """Trigger the DAG and wait for its end."""
        before, started = self._cpu(), time.monotonic()
        memory: dict[str, Usage] = {}
        asked = self._ask("POST", f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        run = f"/api/v2/dags/{DAG}/dagRuns/{asked['dag_run_id']}"
        looks = 0
        while (state := self._ask("GET", run)["state"]) not in ("success", "failed"):
            if looks % 4 == 0:
                self._note_memory(memory)
            looks += 1
            time.sleep(every_s)
        seconds = time.monotonic() - started
        for name, spent in self._cpu().items():
            memory.setdefault(name, Usage()).cpu_s = spent - before.get(name, 0.0)
        return Ran(state, seconds, tuple(self._tasks(run)), memory)

    def wait_for_dag(self) -> None:
        """Wait until the DAG was parsed."""
        end = time.monotonic() + 60
        while not self._ask("GET", f"/api/v2/dags?dag_id_pattern={DAG}")["dags"]:
            if time.monotonic() > end:
                raise SystemExit("the DAG was not parsed in a minute")
            time.sleep(0.5)

    def _tasks(self, run: str) -> Iterator[TaskTimes]:
        offset = 0
        while True:
            found = self._ask("GET", f"{run}/taskInstances?limit=100&offset={offset}")["task_instances"]
            yield from (_times(one) for one in found)
            offset += len(found)
            if not found:
                return

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.home.api_port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
            method=method,
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
            return json.load(reply)

    def _leaders(self) -> dict[str, Process]:
        known = json.loads((self.home.folder / "services.json").read_text())
        return {name: Process(one["pid"], one["started"]) for name, one in known.items()}

    def _cpu(self) -> dict[str, float]:
        """CPU seconds so far: each service by itself, and all that works below the scheduler as `tasks`."""
        spent: dict[str, float] = {}
        for name, leader in self._leaders().items():
            for pid in processes.session_members(leader, self.home.folder):
                own, of_children = _cpu_of(pid)
                mine = name if pid == leader.pid or name != "scheduler" else "tasks"
                spent[mine] = spent.get(mine, 0.0) + own
                below = "tasks" if name == "scheduler" else name
                spent[below] = spent.get(below, 0.0) + of_children
        return spent

    def _note_memory(self, memory: dict[str, Usage]) -> None:
        for name, leader in self._leaders().items():
            sizes = {pid: _rss_of(pid) for pid in processes.session_members(leader, self.home.folder)}
            memory.setdefault(name, Usage()).rss_mib.append(sizes.pop(leader.pid, 0.0))
            if name == "scheduler" and sizes:
                memory.setdefault("tasks", Usage()).rss_mib.append(max(sizes.values()))


@contextmanager
def airflow(
    var: Path, slots: Mapping[str, int], env: Mapping[str, str], parallelism: int
) -> Iterator[Airflow]:
    """Start an Airflow that knows the one DAG, with pools of so many slots; `env` is for its tasks."""
    machine = Machine(var)
    (var / "dags").mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / "dags" / f"{DAG}.py", var / "dags")
    server = machine.postgres
    server.ensure_running()
    try:
        server.ensure_database(METADATA)
        given = machine.environment(env, database=True)
        warehouse.migrate(given["OCR_OPS_DATABASE_URL"])
        home = replace(machine.airflow, dags=var / "dags", parallelism=parallelism)
        home.ensure_migrated()
        home.ensure_pools({name: (number, "benchmark") for name, number in slots.items()})
        try:
            services.up(home, _free_port(), env=given | dict(env))
            made = Airflow(machine, home)
            made.wait_for_dag()
            yield made
        finally:
            services.down(home)
    finally:
        server.remove()


def _times(one: Mapping[str, Any]) -> TaskTimes:
    queued, begun, ended = (
        datetime.fromisoformat(one[name]).timestamp() if one[name] else 0.0
        for name in ("queued_when", "start_date", "end_date")
    )
    return TaskTimes(one["task_id"], one["state"] or "", queued, begun, ended)


def _cpu_of(pid: int) -> tuple[float, float]:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_S, (int(fields[13]) + int(fields[14])) / TICKS_S
    return 0.0, 0.0


def _rss_of(pid: int) -> float:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MIB
    return 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def sampled(look: Callable[[], Any], every_s: float = 0.25) -> Iterator[list[tuple[float, Any]]]:
    """Look at something again and again beside the work; gives (time, what was seen), time as `time.monotonic`."""
    seen: list[tuple[float, Any]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(every_s):
            with suppress(OSError):
                seen.append((time.monotonic(), look()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def by_task(tasks: Sequence[TaskTimes]) -> dict[str, tuple[int, float, float]]:
    """For each task: how many, mean seconds from queued to begun, mean seconds from begun to ended."""
    names = dict.fromkeys(one.name for one in tasks)
    found = {name: [one for one in tasks if one.name == name and one.ended] for name in names}
    return {
        name: (
            len(some),
            sum(one.begun - one.queued for one in some) / len(some),
            sum(one.ended - one.begun for one in some) / len(some),
        )
        for name, some in found.items()
        if some
    }
