"""The whole stack as `make up` starts it: a landing folder, the scheduler, the REST API, and nothing left afterwards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench import INVOICE, aged
from databases import execute
from ocr_ops.local import processes, stack
from ocr_ops.local.machine import PROJECT, Machine

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

PATIENCE_S = 90.0


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def working_below(folder: Path) -> list[int]:
    """Processes whose working folder lies in there."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    places = {pid: processes.working_folder(pid) for pid in pids}
    return [pid for pid, place in places.items() if place is not None and place.is_relative_to(folder)]


def waited_for(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
    return found


class Api:
    """Airflow's REST API, signed in."""

    def __init__(self, machine: Machine) -> None:
        self.base = f"http://127.0.0.1:{machine.airflow.api_port}"
        user, password = machine.airflow.login
        self.token = ""
        _, answer = self.ask("POST", "/auth/token", {"username": user, "password": password})
        self.token = answer["access_token"]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def trigger(self, dag: str, **conf: Any) -> tuple[int, Any]:
        return self.ask("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})

    def ended(self, dag: str, run_id: str) -> str:
        """Wait for a run's end and say how it ended."""

        def state() -> str:
            _, run = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run_id}")
            return str(run["state"]) if run["state"] in ("success", "failed") else ""

        return str(waited_for(state, f"{dag} {run_id} did not end"))

    def tasks(self, dag: str, run_id: str) -> dict[str, tuple[str, int]]:
        """State and number of the try by task (those of mapped ones taken together)."""
        _, answer = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances")
        return {one["task_id"]: (one["state"], one["try_number"]) for one in answer["task_instances"]}

    def answer(self, dag: str, run_id: str, task: str, choice: str, map_index: int = -1) -> str:
        """Wait for the question of a task, answer it, and give what it said."""

        def asked() -> Any:
            # the question is there a moment before the task waits for its answer
            _, found = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run_id}/hitlDetails")
            states = self.tasks(dag, run_id)
            waits = task in states and states[task][0] == "awaiting_input"
            return next(iter(found["hitl_details"]), None) if waits else None

        question = waited_for(asked, f"{dag} asked nobody")
        # a task that was answered within a second failed three times here, and never after a few seconds; no person is that quick
        time.sleep(5)
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/{map_index}/hitlDetails"
        body = {"chosen_options": [choice], "params_input": {}}
        status, said = self.ask("PATCH", path, body)
        assert status == 200, said
        return f"{question['subject']} {question['body']}"

    def value(self, dag: str, run_id: str, task: str, key: str = "return_value") -> Any:
        """What a task handed on."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/xcomEntries/{key}?deserialize=true"
        status, entry = self.ask("GET", path)
        assert status == 200, entry
        return entry["value"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose whole stack runs, with one invoice in its landing folder; everything is stopped afterwards."""
    var = tmp_path_factory.mktemp("machine") / "var"
    made = Machine(var)
    before = {name: value for name, value in os.environ.items() if name.startswith("OCR_OPS_")}
    os.environ["OCR_OPS_ALLOWED_ROOTS"] = f"{PROJECT / 'samples'}:{made.landing}"
    made.landing.mkdir(parents=True)
    aged(Path(shutil.copyfile(INVOICE, made.landing / "invoice.pdf")))
    try:
        stack.up(made, free_port(), lambda sentence: None)
        yield made
    finally:
        del os.environ["OCR_OPS_ALLOWED_ROOTS"]
        os.environ.update(before)
        stack.down(made, lambda sentence: None)
        made.postgres.remove()


@pytest.fixture(scope="module")
def api(machine: Machine) -> Api:
    return Api(machine)


def marts(machine: Machine) -> list[tuple[Any, ...]]:
    query = "select name, status, total::text, currency from marts.documents order by name"
    return execute(machine.warehouse_url(), query)


def test_a_document_put_into_the_landing_folder_becomes_a_row(machine: Machine):
    found = waited_for(lambda: marts(machine), "the document never reached marts.documents")

    assert found == [("invoice.pdf", "accepted", "4.11", "USD")]
    assert (machine.landing / "invoice.pdf").exists()


def test_a_folder_outside_the_allowed_roots_fails_at_once(api: Api, tmp_path: Path):
    status, run = api.trigger("ingest_folder", folder=str(tmp_path))

    assert status == 200, run
    assert api.ended("ingest_folder", run["dag_run_id"]) == "failed"
    assert api.tasks("ingest_folder", run["dag_run_id"])["find"] == ("failed", 1)


def test_a_dry_run_says_what_would_happen_and_does_nothing(machine: Machine, api: Api):
    waited_for(lambda: marts(machine), "the document never reached marts.documents")
    runs = "select run_id from ingest.runs order by 1"
    before = execute(machine.warehouse_url(), runs)

    status, run = api.trigger("ingest_folder", folder="samples/notes.pdf", dry_run=True)

    assert status == 200, run
    assert api.ended("ingest_folder", run["dag_run_id"]) == "success"
    words = api.value("ingest_folder", run["dag_run_id"], "summary")
    assert words.startswith(
        "Nothing was done. 1 documents found: 0 new, 0 known already, 1 that cannot be read."
    )
    assert execute(machine.warehouse_url(), runs) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"doc_type": "menu"},
        {"batch_size": 0},
        {"batch_size": "many"},
        {"folder": ""},
        {"engine": "tesseract"},
        {"reprocess": "perhaps"},
        {"limit": 0},
        {"tenant": "../other"},
    ],
    ids=lambda wrong: "_".join(wrong),
)
def test_wrong_parameters_are_refused_before_anything_runs(api: Api, wrong: dict[str, Any]):
    status, answer = api.trigger("ingest_folder", **({"folder": str(INVOICE)} | wrong))

    assert status == 400
    assert next(iter(wrong)) in json.dumps(answer) or str(next(iter(wrong.values()))) in json.dumps(answer)


def test_a_folder_is_found_from_the_checkout_and_what_is_known_is_not_read_again(machine: Machine, api: Api):
    waited_for(lambda: marts(machine), "the document never reached marts.documents")

    status, run = api.trigger("ingest_folder", folder=f"samples/{INVOICE.name}", doc_type="invoice")

    assert status == 200, run
    assert api.ended("ingest_folder", run["dag_run_id"]) == "success"
    assert len(marts(machine)) == 1
    assert api.value("ingest_folder", run["dag_run_id"], "summary").startswith("1 documents: 1 accepted")
    seen = f"select documents, changed from ingest.runs where run_id = '{run['dag_run_id']}'"
    assert execute(machine.warehouse_url(), seen) == [(1, 0)]


def test_the_audit_store_is_proved_and_retention_told_in_the_same_airflow(machine: Machine, api: Api):
    waited_for(lambda: marts(machine), "the document never reached marts.documents")
    runs = {
        dag: api.trigger(dag, **conf)[1]["dag_run_id"]
        for dag, conf in {"verify_audit": {"whole": True}, "enforce_retention": {"dry_run": True}}.items()
    }

    assert {dag: api.ended(dag, run) for dag, run in runs.items()} == dict.fromkeys(runs, "success")
    assert api.value("verify_audit", runs["verify_audit"], "prove").endswith(": 0 broken")
    assert "would be removed" in api.value("enforce_retention", runs["enforce_retention"], "retain")


def test_a_person_decides_about_a_document_that_is_held_back(machine: Machine, api: Api):
    waited_for(lambda: marts(machine), "the document never reached marts.documents")
    url = machine.warehouse_url()
    other = "sha256:" + "0" * 64
    execute(url, f"update ingest.documents set status = 'needs_review', content_digest = '{other}'")

    run = api.trigger("review_documents")[1]["dag_run_id"]
    asked = api.answer("review_documents", run, "document.ask", "Approve", map_index=0)

    assert "Is invoice.pdf right?" in asked
    assert api.ended("review_documents", run) == "success", api.tasks("review_documents", run)
    assert marts(machine) == [("invoice.pdf", "accepted", "4.11", "USD")]
    who = "select made_by, reason from extraction.records order by version desc limit 1"
    assert execute(url, who) == [("admin", "approved as read")]


def test_documents_processed_again_count_when_a_person_promotes_them(machine: Machine, api: Api):
    waited_for(lambda: marts(machine), "the document never reached marts.documents")
    url = machine.warehouse_url()
    other = "sha256:" + "0" * 64
    execute(url, f"update ingest.documents set content_digest = '{other}'")

    run = api.trigger("reprocess_documents", documents=["invoice.pdf"], reason="a trial")[1]["dag_run_id"]
    asked = api.answer("reprocess_documents", run, "ask", "Promote")

    assert "Promote what 1 documents would change?" in asked
    assert api.ended("reprocess_documents", run) == "success", api.tasks("reprocess_documents", run)
    assert api.value("reprocess_documents", run, "settle") == "1 documents: promote"
    who = "select decided_by, decision_reason from extraction.records order by version desc limit 1"
    assert execute(url, who) == [("admin", "a trial")]


def test_tasks_hand_on_little(machine: Machine, api: Api):
    handed_on = "select dag_id || '.' || task_id, max(length(value::text)) from xcom group by 1"

    sizes = dict(execute(machine.airflow.database_url, handed_on))

    assert {name: size for name, size in sizes.items() if size > 2000} == {}
    assert len(sizes) >= 4


def test_stopping_leaves_no_process(machine: Machine, api: Api):
    assert working_below(machine.var)

    stopped = stack.down(machine, print)

    assert set(stopped) == {"api-server", "scheduler", "dag-processor", "triggerer", "postgres"}
    assert working_below(machine.var) == []
    assert stack.down(machine, lambda sentence: None) == ()
