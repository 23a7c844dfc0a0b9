"""One real running Airflow for all tests that need one, and what they ask of it.

Scheduler, LocalExecutor, API server, DAG processor and triggerer, as `make up` starts them, with metadata in one embedded
Postgres and the warehouse in another, so that a test may kill either. Pages go to an OCR server of the test's own, alerts
to a webhook of its own. DAGs start paused; triggering one unpauses it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from bench import documents
from fake_model_server import Answer, FakeModelServer, reply
from ocr_ops.errors import OcrOpsError
from ocr_ops.local import processes, services, stack
from ocr_ops.local.airflow_home import AirflowHome
from ocr_ops.local.machine import PROJECT, WAREHOUSE, Machine
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.local.processes import Process

PATIENCE_S = 150.0
READING_S = 3.0
"""How long a question stands before it is answered. Airflow 3.3.2 takes an answer within a second for the end of the asking process, fails
that try and asks again (docs/operators.md): people are not that quick."""
PAGE = reply(
    "<|ref|>text<|/ref|><|det|>[[60, 100, 600, 140]]<|/det|>\nHARBOUR LANE BOOKS\n"
    "<|ref|>text<|/ref|><|det|>[[60, 200, 600, 240]]<|/det|>\nTOTAL 40.20\n"
)
POISON, NO_ROOM = b"%% kills its decoder", b"%% finds the disk full"
QUICK = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
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
"""Loaded by every process of this Airflow: a decoder that dies on one kind of file; where no small disk can be mounted, one that is full."""


class Webhook:
    """A receiver of alerts on loopback; `said` holds their sentences."""

    def __init__(self) -> None:
        said: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                said.append(json.loads(body)["text"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        self.said = said
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def __enter__(self) -> Webhook:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Site:
    """The Airflow and what stands around it."""

    def __init__(self, var: Path, server: FakeModelServer, webhook: Webhook) -> None:
        self.machine, self.server, self.webhook = Machine(var), server, webhook
        self.home: AirflowHome = self.machine.airflow
        self.warehouse = LocalPostgres(var / "warehouse")
        self.answer: Answer = PAGE
        self.env = QUICK | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(var / "site"), os.environ.get("PYTHONPATH")])),
            "TEST_DISK_FULL": str(var / "disk_full"),
        }
        self.progress: list[str] = []
        self._token = ""

    @property
    def url(self) -> str:
        """The warehouse's."""
        return self.warehouse.url(WAREHOUSE)

    def settings(self) -> dict[str, str]:
        """What a person would have set."""
        return {
            "OCR_OPS_DATABASE_URL": self.url,
            "OCR_OPS_ALLOWED_ROOTS": os.pathsep.join([str(PROJECT / "samples"), str(self.machine.var)]),
            "OCR_OPS_OCR_ENGINE": "vllm",
            "OCR_OPS_OCR_URLS": self.server.url,
            "OCR_OPS_OCR_MODEL": "served-model",
            "OCR_OPS_ALERTS": self.webhook.url,
        }

    def start_all(self) -> None:
        """Start everything, as `make up` does."""
        self.warehouse.ensure_running()
        self.warehouse.ensure_database(WAREHOUSE)
        with patch.dict(os.environ, self.settings()):
            url = stack.up(self.machine, free_port(), self.progress.append, extra=self.env)
        assert url == self.home.url

    def up(self) -> None:
        """Start the services that do not run."""
        services.up(self.home, env=self.machine.environment(self.settings()) | self.env)

    def folder(self, name: str) -> Path:
        """A new folder for documents."""
        made = self.machine.var / "in" / name
        made.mkdir(parents=True)
        return made

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A question to Airflow's REST API, signed in: status and answer."""
        if not self._token:
            user, password = self.home.login
            _, said = self._asked("POST", "/auth/token", {"username": user, "password": password})
            self._token = said["access_token"]
        return self._asked(method, f"/api/v2{path}", body)

    def _asked(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        url = f"http://127.0.0.1:{self.home.api_port}{path}"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.loads(refusal.read() or b"null")

    def unpause(self, dag: str) -> None:
        """Let a DAG run, once it is there."""
        known = lambda: self.ask("PATCH", f"/dags/{dag}", {"is_paused": False})[0] == 200  # noqa: E731
        waited_for(known, f"{dag} was never parsed")

    def trigger(self, dag: str, **conf: Any) -> tuple[int, Any]:
        """Ask for a run with this form."""
        self.unpause(dag)
        return self.ask("POST", f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})

    def start(self, dag: str, **conf: Any) -> str:
        """Trigger a run; its run id."""
        status, run = self.trigger(dag, **conf)
        assert status == 200, run
        return str(run["dag_run_id"])

    def ended(self, dag: str, run: str, *, keeping_up: bool = False) -> str:
        """How a run ended; with `keeping_up` services that die are started again, as a service manager does."""

        def state() -> str:
            if keeping_up:
                with suppress(OcrOpsError):
                    self.up()
            _, found = self.ask("GET", f"/dags/{dag}/dagRuns/{run}")
            return str(found["state"]) if found.get("state") in ("success", "failed") else ""

        return str(waited_for(state, f"{dag} {run} did not end"))

    def task(self, dag: str, run: str, name: str) -> dict[str, Any]:
        """One task of a run that has one batch; empty while it is not there."""
        _, found = self.ask("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances")
        return next((one for one in found["task_instances"] if one["task_id"] == name), {})

    def value(self, dag: str, run: str, task: str, key: str = "return_value") -> Any:
        """What a task handed on."""
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}?deserialize=true"
        status, entry = self.ask("GET", path)
        assert status == 200, entry
        return entry["value"]

    def question(self, dag: str, run: str) -> dict[str, Any]:
        """Wait for the question that a run asks and nobody has answered, and give it."""

        def asked() -> Any:
            _, found = self.ask("GET", f"/dags/{dag}/dagRuns/{run}/hitlDetails")
            return next((one for one in found["hitl_details"] if not one["response_received"]), None)

        found: dict[str, Any] = waited_for(asked, f"{dag} asked nobody")
        return found

    def answers(self, dag: str, run: str, task: str, choice: str, map_index: int = -1) -> None:
        """Answer a run's question as a person would, and whenever it is asked again, until the run ends well."""
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{map_index}/hitlDetails"
        stands_since: float | None = None

        def answered() -> bool:
            nonlocal stands_since
            _, found = self.ask("GET", f"/dags/{dag}/dagRuns/{run}/hitlDetails")
            stands = any(not one["response_received"] for one in found["hitl_details"])
            stands_since = (stands_since or time.monotonic()) if stands else None
            if stands_since and time.monotonic() - stands_since > READING_S:
                self.ask("PATCH", path, {"chosen_options": [choice], "params_input": {}})
                stands_since = None
            return self.ask("GET", f"/dags/{dag}/dagRuns/{run}")[1]["state"] in ("success", "failed")

        waited_for(answered, f"{dag} {run} did not end")
        assert self.ask("GET", f"/dags/{dag}/dagRuns/{run}")[1]["state"] == "success"

    def log(self, dag: str, run: str, name: str, attempt: int = 1) -> str:
        """What a person reads of one try."""
        folder = self.home.folder / "logs" / f"dag_id={dag}" / f"run_id={run}" / f"task_id={name}"
        return "\n".join(file.read_text() for file in folder.rglob(f"attempt={attempt}.log"))

    def service(self, name: str) -> Process:
        """A service's own process."""
        [pid] = [one.pid for one in services.status(self.home) if one.name == name]
        return Process(pid or 0, processes.started(pid or 0) or "")

    def worker(self, dag: str, run: str, name: str) -> Process:
        """The process that does a task's work."""
        pid = int(self.task(dag, run, name)["pid"])
        return Process(pid, processes.started(pid) or "")

    def rows(self) -> dict[str, dict[str, Any]]:
        """`marts.documents` by name; each is there once."""
        return documents(self.url)


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
    """A port that nobody uses now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


AnySite = TypeVar("AnySite", bound=Site)


@contextmanager
def running_site(var: Path, kind: type[AnySite]) -> Iterator[AnySite]:
    """A site that runs; everything is stopped and removed afterwards, whatever a test did to it."""
    for folder in ("site", "in"):
        (var / folder).mkdir(parents=True)
    (var / "site" / "sitecustomize.py").write_text(HOOK)
    made: list[AnySite] = []
    with FakeModelServer([lambda body: made[0].answer]) as server, Webhook() as webhook:
        site = kind(var, server, webhook)
        made.append(site)
        try:
            site.start_all()
            yield site
        finally:
            stack.down(site.machine, lambda sentence: None)
            site.warehouse.remove()
            site.machine.postgres.remove()
