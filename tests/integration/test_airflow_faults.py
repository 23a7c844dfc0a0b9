"""What breaks while a run is under way, in a real running Airflow: afterwards every document is once in its right state.

Faults that do not disturb each other happen at the same time, each to a run of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from airflow_site import NO_ROOM, PAGE, POISON, Site, waited_for
from bench import INVOICE, aged, picture, problems
from databases import execute
from fake_model_server import STALL
from ocr_ops.local import processes
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.local.processes import Process
from ocr_ops.warehouse import chain

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]

DAG = "ingest_folder"
BEHIND_A_LOCK = "select from pg_locks where locktype = 'advisory' and not granted"


def invoice(folder: Path, name: str, ending: bytes = b"") -> None:
    """A PDF whose text needs no OCR server, with bytes of its own."""
    (folder / name).write_bytes(INVOICE.read_bytes() + f"\n%% {folder.name} {name}\n".encode() + ending)
    aged(folder / name)


def three_pictures(site: Site, name: str) -> Path:
    """A folder of three documents that only an OCR server can read."""
    folder = site.folder(name)
    for number in range(3):
        picture(folder, f"{name}_{number}.png")
    return folder


def statuses(site: Site, name: str) -> dict[str, str]:
    """What became of the documents whose names begin so; each is there once."""
    return {one: row["status"] for one, row in site.rows().items() if one.startswith(f"{name}_")}


def all_three(name: str, status: str, kind: str = "png") -> dict[str, str]:
    return {f"{name}_{number}.{kind}": status for number in range(3)}


def stalled(site: Site, name: str) -> str:
    """A run in the middle of reading three pictures; its run id."""
    site.answer = STALL
    run = site.start(DAG, folder=str(three_pictures(site, name)))
    waited_for(lambda: site.server.running, "no page was asked for")
    return run


def killed(server: LocalPostgres) -> None:
    """Kill a Postgres with everything it started, as a power cut does."""
    pid = int((server.data_folder / "postmaster.pid").read_text().split()[0])
    family = [pid, *(child for child in pids() if parent_of(child) == pid)]
    ended = [Process(one, processes.started(one) or "") for one in family]
    for one in family:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    assert all(processes.wait_gone(one, 10) for one in ended)


@contextmanager
def little_room(site: Site, tenant: str) -> Iterator[Callable[[], None]]:
    """A tenant whose folder of the audit store is a disk of 300 kB; calling what this gives makes room on it.

    Where nothing may be mounted, a hook in the tasks says for one document that the disk is full.
    """
    folder, flag = site.machine.var / "audit" / "tenants" / tenant, Path(site.env["TEST_DISK_FULL"])
    folder.mkdir(parents=True)
    small = ["mount", "-t", "tmpfs", "-o", "size=300k,mode=700", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(small, capture_output=True).returncode == 0
    if not mounted:
        flag.touch()

    def room() -> None:
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=60m", str(folder)], check=True)
        else:
            flag.unlink()

    try:
        yield room
    finally:
        if mounted:
            kept = shutil.copytree(folder, folder.with_name("kept"))
            subprocess.run(["umount", str(folder)], check=True)
            folder.rmdir()
            kept.rename(folder)


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_a_killed_task_a_full_disk_and_a_poisoned_document_cost_one_try_each(site: Site):
    poisoned, full = site.folder("poisoned"), site.folder("full")
    for number in range(3):
        invoice(poisoned, f"sound_{number}.pdf")
        invoice(full, f"full_{number}.pdf", NO_ROOM if number == 1 else b"")
    invoice(poisoned, "poison.pdf", POISON)
    with little_room(site, "smalldisk") as room:
        runs = {"killed": stalled(site, "killed"), "poisoned": site.start(DAG, folder=str(poisoned))}
        runs["full"] = site.start(DAG, folder=str(full), tenant="smalldisk")

        os.kill(site.worker(DAG, runs["killed"], "batch.read").pid, signal.SIGKILL)
        site.answer = PAGE
        waited_for(
            lambda: site.task(DAG, runs["full"], "batch.read").get("state") == "up_for_retry", "no retry"
        )
        room()

        assert {name: site.ended(DAG, run) for name, run in runs.items()} == dict.fromkeys(runs, "success")
    tries = {name: site.task(DAG, run, "batch.read")["try_number"] for name, run in runs.items()}
    assert tries == dict.fromkeys(runs, 2)
    assert statuses(site, "killed") == all_three("killed", "needs_review")
    assert statuses(site, "sound") == all_three("sound", "accepted", "pdf")
    assert statuses(site, "full") == all_three("full", "accepted", "pdf")
    assert site.rows()["poison.pdf"]["status"] == "quarantined"
    assert "damaged" in problems(site.url, "poison.pdf")
    assert "terminated by signal" in site.log(DAG, runs["killed"], "batch.read")
    assert "no space left for the audit store" in site.log(DAG, runs["full"], "batch.read")
    assert "poison.pdf" in site.log(DAG, runs["poisoned"], "batch.read", 2)


def test_a_run_waits_without_a_slot_while_no_server_answers_and_goes_on_by_itself(site: Site):
    run = stalled(site, "away")
    worker = site.worker(DAG, run, "batch.read")

    site.server.die()
    waited_for(
        lambda: site.task(DAG, run, "batch.read")["state"] == "up_for_reschedule",
        "it never gave its slot back",
    )
    waited_for(lambda: not worker.is_alive, "a process still works on a task that gave its slot back")
    site.answer = PAGE
    site.server.come_back()

    assert site.ended(DAG, run) == "success"
    assert site.task(DAG, run, "batch.read")["try_number"] == 1
    assert statuses(site, "away") == all_three("away", "needs_review")
    assert "the worker slot is free meanwhile" in site.log(DAG, run, "batch.read")


def test_a_warehouse_killed_in_mid_load_is_waited_for_without_a_slot_and_holds_everything_once(site: Site):
    folder = site.folder("midload")
    for number in range(3):
        invoice(folder, f"midload_{number}.pdf")
    address = site.url.replace("postgresql+psycopg", "postgresql")
    with closing(psycopg.connect(address)) as turnstile:
        # what a load does last is to take the chain's lock: its rows are written then, and not committed
        turnstile.execute(f"select pg_advisory_lock({chain._LOCK})")
        run = site.start(DAG, folder=str(folder))
        waited_for(lambda: execute(site.url, BEHIND_A_LOCK), "no load was under way")
        killed(site.warehouse)
    waited_for(
        lambda: site.task(DAG, run, "batch.load")["state"] == "up_for_reschedule",
        "it never gave its slot back",
    )
    site.warehouse.ensure_running()
    assert statuses(site, "midload") == {}

    assert site.ended(DAG, run) == "success"
    assert site.task(DAG, run, "batch.load")["try_number"] == 1
    assert statuses(site, "midload") == all_three("midload", "accepted", "pdf")
    assert "the worker slot is free meanwhile" in site.log(DAG, run, "batch.load")


def test_a_killed_scheduler_that_is_started_again_finishes_the_run(site: Site):
    run = stalled(site, "scheduler")

    scheduler = site.service("scheduler")
    os.kill(scheduler.pid, signal.SIGKILL)
    assert processes.wait_gone(scheduler, 10)
    site.answer = PAGE
    site.up()

    assert site.ended(DAG, run) == "success"
    assert statuses(site, "scheduler") == all_three("scheduler", "needs_review")


def test_a_kill_of_the_postgres_that_airflow_itself_stands_on_costs_no_document(site: Site):
    run = stalled(site, "metadata")

    killed(site.machine.postgres)
    site.server.die()  # what the task reads now meets neither
    site.answer = PAGE
    site.server.come_back()
    site.machine.postgres.ensure_running()

    assert site.ended(DAG, run, keeping_up=True) == "success"
    assert statuses(site, "metadata") == all_three("metadata", "needs_review")


def test_after_all_of_it_the_audit_chain_holds_and_nothing_is_there_twice(site: Site):
    names = [row[0] for row in execute(site.url, "select name from marts.documents")]

    assert len(names) == len(set(names)) > 0
    program = Path(site.home.command).with_name("ocr-ops")
    env = os.environ | site.machine.environment(site.settings())
    done = processes.capture((str(program), "audit", "verify"), env=env, timeout_s=120)
    assert done.returncode == 0, done.stdout
