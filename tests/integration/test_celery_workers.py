"""CeleryExecutor with workers on machines of their own: they share databases, a broker and a bucket, but no folder and no process.

Each worker runs in namespaces of its own: an empty file system where everything that this machine's Airflow writes would lie, its own
processes, its own host name. A pod of KubernetesExecutor has as little of the others. Documents and evidence are in a bucket; the
broker is a database, which Celery can do too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from airflow_site import PAGE, Site, running_site, waited_for
from bench import picture
from bucket_server import bucket, s3_server, s3_settings
from ocr_ops.local import processes
from ocr_ops.local.machine import METADATA
from ocr_ops.local.processes import Process

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]

DAG, INBOX, EVIDENCE = "ingest_folder", "s3://celery-inbox/receipts", "s3://celery-evidence/audit"
BROKER = "broker"
DOCUMENTS, IN_A_BATCH = 8, 1
MACHINE = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--uts",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
)
START = (
    'mount -t tmpfs tmpfs "$TEST_HIDDEN" && mkdir "$TEST_HIDDEN/tmp" && hostname "$TEST_NAME" && exec "$@"'
)


class CelerySite(Site):
    """An Airflow whose tasks run on workers elsewhere."""

    @property
    def broker(self) -> str:
        """A database for Celery's messages, as Celery wants it named."""
        return "sqla+" + self.machine.postgres.url(BROKER)

    def settings(self) -> dict[str, str]:
        """Everything that workers need is in a bucket."""
        return super().settings() | {"OCR_OPS_AUDIT_URI": EVIDENCE, "OCR_OPS_ALLOWED_ROOTS": INBOX}

    def start_all(self) -> None:
        """Start everything but workers."""
        self.machine.postgres.ensure_running()
        self.machine.postgres.ensure_database(BROKER)
        self.env |= {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": self.broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": "db+" + self.machine.postgres.url(METADATA),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "12",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "12",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
        }
        super().start_all()

    def worker_on(self, name: str) -> Process:
        """Start a worker on a machine of this name."""
        env = self.home.env(level="INFO") | self.machine.environment(self.settings()) | self.env
        hidden = str(self.machine.var)
        own = {
            "TEST_HIDDEN": hidden,
            "TEST_NAME": name,
            "TMPDIR": f"{hidden}/tmp",
            "AIRFLOW_HOME": f"{hidden}/airflow",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{hidden}/airflow/logs",
        }
        work = (
            "celery",
            "worker",
            "--concurrency",
            "2",
            "--celery-hostname",
            name,
            "--skip-serve-logs",
            "--without-mingle",
        )
        command = (*MACHINE, "sh", "-c", START, "sh", self.home.command, *work)
        beside = self.machine.var.parent
        return processes.spawn(command, log=beside / f"{name}.log", env=env | own, cwd=beside)

    def tasks(self, run: str) -> dict[tuple[str, int], dict[str, Any]]:
        """The tasks of a run, by name and number of their batch."""
        _, found = self.ask("GET", f"/dags/{DAG}/dagRuns/{run}/taskInstances?limit=200")
        return {(one["task_id"], one["map_index"]): one for one in found["task_instances"]}

    def reading_on(self, run: str, name: str) -> list[tuple[str, int]]:
        """The tasks that read pages on a machine now."""
        found = self.tasks(run).items()
        return [
            which
            for which, one in found
            if (which[0], one["hostname"], one["state"]) == ("batch.read", name, "running")
        ]


@pytest.fixture(scope="module")
def celery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CelerySite]:
    """Airflow without workers, and a bucket with receipts."""
    if subprocess.run(
        [*MACHINE, "sh", "-c", "mount -t tmpfs tmpfs /mnt && hostname x"], capture_output=True
    ).returncode:
        pytest.skip("this system allows no namespaces, so no worker can have a machine of its own")
    folder = tmp_path_factory.mktemp("celery")
    with ExitStack() as around:
        address = around.enter_context(s3_server())
        around.enter_context(patch.dict(os.environ, s3_settings(address)))
        inbox = around.enter_context(bucket("celery-inbox"))
        around.enter_context(bucket("celery-evidence"))
        for number in range(DOCUMENTS):
            data = picture(folder, "x.png", f"receipt {number}").read_bytes()
            inbox.put_object(Bucket="celery-inbox", Key=f"receipts/{number:02d}.png", Body=data)
        yield around.enter_context(running_site(folder / "var", CelerySite))


def test_a_run_goes_through_on_machines_that_share_nothing_even_when_one_of_them_dies(celery: CelerySite):
    first, second = celery.worker_on("first"), celery.worker_on("second")
    try:
        celery.answer = replace(PAGE, delay_s=6.0)
        run = celery.start(DAG, folder=INBOX, doc_type="receipt", batch_size=IN_A_BATCH)
        lost = waited_for(lambda: celery.reading_on(run, "first"), "nothing was read on the first machine")
        os.kill(first.pid, signal.SIGKILL)
        celery.answer = PAGE
        assert celery.ended(DAG, run) == "success"
    finally:
        for worker in (first, second):
            processes.ask_to_end(worker)
            processes.finish_session(worker, celery.machine.var.parent, patience_s=15)

    done = celery.tasks(run)
    assert {done[which]["hostname"] for which in lost} == {"second"}
    assert min(done[which]["try_number"] for which in lost) > 1
    assert [row["status"] for row in celery.rows().values()] == ["needs_review"] * DOCUMENTS
    program = Path(sys.executable).with_name("ocr-ops")
    proof = processes.capture((str(program), "audit", "verify"), env=os.environ | celery.settings())
    assert proof.returncode == 0, proof.stdout
