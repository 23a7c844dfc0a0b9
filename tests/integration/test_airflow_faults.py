"""What breaks while a run is under way, in a real running Airflow: afterwards every document is once in its right state.

One Airflow (scheduler, LocalExecutor, embedded Postgres) for all tests. Faults that do not disturb each other happen at
the same time, each to a run of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import INVOICE, aged, documents, picture, problems
from databases import execute
from fake_model_server import STALL, Answer, FakeModelServer, reply
from ocr_ops.errors import OcrOpsError
from ocr_ops.local import processes, services, stack
from ocr_ops.local.airflow_home import AirflowHome
from ocr_ops.local.machine import PROJECT, Machine
from ocr_ops.local.processes import Process
from ocr_ops.pools import LLM_POOL, OCR_POOL, WAREHOUSE_POOL

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]

PATIENCE_S = 150.0
DAG = "ingest_folder"
PAGE = reply(
    "<|ref|>text<|/ref|><|det|>[[60, 100, 600, 140]]<|/det|>\nHARBOUR LANE BOOKS\n"
    "<|ref|>text<|/ref|><|det|>[[60, 200, 600, 240]]<|/det|>\nTOTAL 40.20\n"
)
POISON, NO_ROOM = b"%% kills its decoder", b"%% finds the disk full"
QUICK = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
}
"""Airflow's usual patience with what has died is five minutes."""

HOOK = f"""
import errno, os
from pathlib import Path

def worker():
    from ocr_ops import raster
    from ocr_ops.audit import folder, store
    opens, puts = raster.open_document, store.AuditStore.put

    def killing(found, data, *more):
        if data.endswith({POISON!r}):
            os.abort()
        return opens(found, data, *more)

    def full(self, data):
        if data.endswith({NO_ROOM!r}) and Path(os.environ["TEST_DISK_FULL"]).exists():
            with folder._disk_errors(self.place.root):
                raise OSError(errno.ENOSPC, "No space left on device")
        return puts(self, data)

    raster.open_document, store.AuditStore.put = killing, full

if os.environ.get("TEST_DISK_FULL"):
    worker()
"""
"""Loaded by every process of this Airflow: a decoder that dies on one kind of file, a disk that is full for another."""


class Site:
    """The Airflow, its OCR server and what tests ask of both."""

    def __init__(
        self, machine: Machine, home: AirflowHome, env: dict[str, str], server: FakeModelServer
    ) -> None:
        self.machine, self.home, self.env, self.server = machine, home, env, server
        self.answer: Answer = PAGE
        self.token = ""

    def up(self) -> None:
        """Start what does not run."""
        services.up(self.home, env=self.env)

    def folder(self, name: str) -> Path:
        made = self.machine.var / "in" / name
        made.mkdir(parents=True)
        return made

    def start(self, folder: Path) -> str:
        """Trigger a run on a folder; its run id."""
        return str(
            self.ask("POST", "/dagRuns", {"logical_date": None, "conf": {"folder": str(folder)}})[
                "dag_run_id"
            ]
        )

    def ended(self, run: str, *, keeping_up: bool = False) -> str:
        """How a run ended; with `keeping_up` services that die are started again, as a service manager does."""

        def state() -> str:
            if keeping_up:
                with suppress(OcrOpsError):
                    self.up()
            now = str(self.ask("GET", f"/dagRuns/{run}")["state"])
            return now if now in ("success", "failed") else ""

        return str(waited_for(state, f"{run} did not end"))

    def task(self, run: str, name: str) -> dict[str, Any]:
        """One task of a run that has one batch; empty while it is not there."""
        found = self.ask("GET", f"/dagRuns/{run}/taskInstances")["task_instances"]
        return next((one for one in found if one["task_id"] == name), {})

    def log(self, run: str, name: str, attempt: int = 1) -> str:
        """What a person reads of one try."""
        folder = self.home.folder / "logs" / f"dag_id={DAG}" / f"run_id={run}" / f"task_id={name}"
        return "\n".join(file.read_text() for file in folder.rglob(f"attempt={attempt}.log"))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        base = f"http://127.0.0.1:{self.home.api_port}"
        if not self.token:
            user, password = self.home.login
            self.token = _asked("POST", f"{base}/auth/token", {"username": user, "password": password})[
                "access_token"
            ]
        return _asked(method, f"{base}/api/v2/dags/{DAG}{path}", body, self.token)

    def service(self, name: str) -> Process:
        """A service's own process."""
        [pid] = [one.pid for one in services.status(self.home) if one.name == name]
        return Process(pid or 0, processes.started(pid or 0) or "")

    def rows(self) -> dict[str, dict[str, Any]]:
        return documents(self.machine.warehouse_url())


def _asked(method: str, url: str, body: Any = None, token: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def waited_for(look: Callable[[], Any], what: str) -> Any:
    """Look until there is something; a service that is just coming back may refuse to answer."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(OSError):
            if found := look():
                return found
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    var = tmp_path_factory.mktemp("faults") / "var"
    for folder in ("site", "dags", "in"):
        (var / folder).mkdir(parents=True)
    (var / "site" / "sitecustomize.py").write_text(HOOK)
    shutil.copy(PROJECT / "dags" / f"{DAG}.py", var / "dags")
    machine = Machine(var)
    made: list[Site] = []
    with FakeModelServer([lambda body: made[0].answer]) as server:
        ours = {
            "OCR_OPS_ALLOWED_ROOTS": str(var),
            "OCR_OPS_OCR_ENGINE": "vllm",
            "OCR_OPS_OCR_URLS": server.url,
            "OCR_OPS_OCR_MODEL": "served-model",
        }
        try:
            stack.prepare(machine)
            home = replace(machine.airflow, dags=var / "dags")
            home.ensure_pools(dict.fromkeys((OCR_POOL, LLM_POOL, WAREHOUSE_POOL), (4, "test")))
            env = machine.environment(ours, database=True) | QUICK
            env |= {"PYTHONPATH": str(var / "site"), "TEST_DISK_FULL": str(var / "disk_full")}
            made.append(Site(machine, home, env, server))
            services.up(home, free_port(), env=env)
            waited_for(lambda: made[0].ask("GET", ""), "the DAG was never parsed")
            yield made[0]
        finally:
            services.down(machine.airflow)
            machine.postgres.remove()


def invoice(folder: Path, name: str, ending: bytes = b"") -> None:
    """A PDF whose text needs no OCR server, with bytes of its own."""
    (folder / name).write_bytes(INVOICE.read_bytes() + f"\n%% {folder.name} {name}\n".encode() + ending)
    aged(folder / name)


def tasks_below(site: Site) -> list[int]:
    """Processes that do a task's work: those of the scheduler's session that started none themselves."""
    members = set(processes.session_members(site.service("scheduler"), site.home.folder))
    parents = {int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in members}
    return [pid for pid in members - parents if "LocalExecutor" not in " ".join(processes.command_line(pid))]


def test_a_killed_task_a_full_disk_and_a_poisoned_document_cost_one_try_each(site: Site):
    killed, poisoned, full = site.folder("killed"), site.folder("poisoned"), site.folder("full")
    for number in range(3):
        picture(killed, f"killed_{number}.png")
        invoice(poisoned, f"sound_{number}.pdf")
        invoice(full, f"full_{number}.pdf", NO_ROOM if number == 1 else b"")
    invoice(poisoned, "poison.pdf", POISON)
    site.answer = STALL
    held = site.start(killed)
    waited_for(lambda: site.server.running, "no page was asked for")
    [worker] = tasks_below(site)

    os.kill(worker, signal.SIGKILL)
    site.answer = PAGE
    Path(site.env["TEST_DISK_FULL"]).touch()
    others = {name: site.start(folder) for name, folder in (("poisoned", poisoned), ("full", full))}
    waited_for(lambda: site.task(others["full"], "batch.read").get("state") == "up_for_retry", "no retry")
    Path(site.env["TEST_DISK_FULL"]).unlink()
    runs = {"killed": held, **others}

    assert {name: site.ended(run) for name, run in runs.items()} == dict.fromkeys(runs, "success")
    assert {name: site.task(run, "batch.read")["try_number"] for name, run in runs.items()} == dict.fromkeys(
        runs, 2
    )
    rows = site.rows()
    statuses = {name: one["status"] for name, one in rows.items()}
    assert statuses == {
        **{f"killed_{number}.png": "needs_review" for number in range(3)},
        **{f"sound_{number}.pdf": "accepted" for number in range(3)},
        **{f"full_{number}.pdf": "accepted" for number in range(3)},
        "poison.pdf": "quarantined",
    }
    assert "damaged" in problems(site.machine.warehouse_url(), "poison.pdf")
    assert "no space left for the audit store" in site.log(others["full"], "batch.read")
    assert "poison.pdf" in site.log(others["poisoned"], "batch.read", 2)


def test_a_run_waits_without_a_slot_while_no_server_answers_and_goes_on_by_itself(site: Site):
    folder = site.folder("away")
    for number in range(3):
        picture(folder, f"away_{number}.png")
    site.answer = STALL
    run = site.start(folder)
    waited_for(lambda: site.server.running, "no page was asked for")

    site.server.die()
    waited_for(
        lambda: site.task(run, "batch.read")["state"] == "up_for_reschedule", "it never gave its slot back"
    )
    waited_for(lambda: not tasks_below(site), "a process still works on a task that gave its slot back")
    site.answer = PAGE
    site.server.come_back()

    assert site.ended(run) == "success"
    assert site.task(run, "batch.read")["try_number"] == 1
    assert {site.rows()[f"away_{number}.png"]["status"] for number in range(3)} == {"needs_review"}
    assert "the worker slot is free meanwhile" in site.log(run, "batch.read")


def test_a_killed_scheduler_that_is_started_again_finishes_the_run(site: Site):
    folder = site.folder("scheduler")
    for number in range(3):
        picture(folder, f"scheduler_{number}.png")
    site.answer = STALL
    run = site.start(folder)
    waited_for(lambda: site.server.running, "no page was asked for")

    scheduler = site.service("scheduler")
    os.kill(scheduler.pid, signal.SIGKILL)
    assert processes.wait_gone(scheduler, 10)
    site.answer = PAGE
    site.up()

    assert site.ended(run) == "success"
    assert {site.rows()[f"scheduler_{number}.png"]["status"] for number in range(3)} == {"needs_review"}


def test_postgres_that_stops_and_starts_costs_no_document(site: Site):
    folder = site.folder("postgres")
    for number in range(3):
        picture(folder, f"postgres_{number}.png")
    site.answer = STALL
    run = site.start(folder)
    waited_for(lambda: site.server.running, "no page was asked for")

    site.machine.postgres.stop()
    site.server.die()  # what the task reads now meets neither
    site.answer = PAGE
    site.server.come_back()
    site.machine.postgres.ensure_running()

    assert site.ended(run, keeping_up=True) == "success"
    assert {site.rows()[f"postgres_{number}.png"]["status"] for number in range(3)} == {"needs_review"}


def test_after_all_of_it_the_audit_chain_holds_and_nothing_is_there_twice(site: Site):
    url = site.machine.warehouse_url()
    names = [row[0] for row in execute(url, "select name from marts.documents")]

    assert len(names) == len(set(names)) > 0
    program = Path(site.home.command).with_name("ocr-ops")
    env = os.environ | {name: value for name, value in site.env.items() if name.startswith("OCR_OPS_")}
    done = processes.capture((str(program), "audit", "verify"), env=env, timeout_s=120)
    assert done.returncode == 0, done.stdout
