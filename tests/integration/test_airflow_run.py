"""The DAGs in a real running Airflow: a landing folder, forms, alerts, questions to people, backfills, and nothing left afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from airflow_site import Site, waited_for
from bench import INVOICE, aged
from databases import execute
from ocr_ops.errors import TerminalError
from ocr_ops.local import processes, services, stack

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

OTHER = "sha256:" + "0" * 64
LANDED = "select name, status, total::text, currency from marts.documents where name = 'invoice.pdf'"
NEWEST = """
select made_by, decided_by, reason, decision_reason from extraction.records join ingest.documents d using (document_key)
where d.name = 'invoice.pdf' order by records.version desc limit 1
"""


def working_below(folder: Path) -> list[int]:
    """Processes whose working folder lies in there."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    places = {pid: processes.working_folder(pid) for pid in pids}
    return [pid for pid, place in places.items() if place is not None and place.is_relative_to(folder)]


def stand(site: Site, *changes: str) -> None:
    """Change what the warehouse says of the invoice."""
    execute(site.url, f"update ingest.documents set {', '.join(changes)} where name = 'invoice.pdf'")


@pytest.fixture(scope="module", autouse=True)
def watched(site: Site) -> None:
    """The landing folder with an invoice in it, watched from the first test on: its schedule looks once a minute."""
    site.machine.landing.mkdir(parents=True, exist_ok=True)
    aged(Path(shutil.copyfile(INVOICE, site.machine.landing / "invoice.pdf")))
    site.unpause("ingest_landing_zone")


@pytest.fixture(scope="module")
def landed(site: Site, watched: None) -> list[tuple[Any, ...]]:
    """The row of the invoice that was put into the landing folder."""
    found: list[tuple[Any, ...]] = waited_for(lambda: execute(site.url, LANDED), "it never became a row")
    return found


def test_services_that_run_are_left_as_they_are_and_one_that_died_is_started_again(site: Site):
    site.up()
    first = {one.name: one.pid for one in services.status(site.home)}
    assert all(one.healthy for one in services.status(site.home))
    assert "scheduler is healthy" in site.progress

    site.up()
    assert {one.name: one.pid for one in services.status(site.home)} == first
    with pytest.raises(TerminalError, match="already runs on port"):
        services.up(site.home, 1)

    scheduler = site.service("scheduler")
    os.kill(scheduler.pid, signal.SIGKILL)
    assert processes.wait_gone(scheduler, 10)
    site.up()
    second = {one.name: one.pid for one in services.status(site.home)}
    assert first.pop("scheduler") != second.pop("scheduler")
    assert first == second


def test_a_document_put_into_the_landing_folder_becomes_a_row(site: Site, landed: list[tuple[Any, ...]]):
    assert landed == [("invoice.pdf", "accepted", "4.11", "USD")]
    assert (site.machine.landing / "invoice.pdf").exists()


def test_a_folder_outside_the_allowed_roots_fails_at_once_and_people_are_told(site: Site, tmp_path: Path):
    run = site.start("ingest_folder", folder=str(tmp_path))

    assert site.ended("ingest_folder", run) == "failed"
    find = site.task("ingest_folder", run, "find")
    assert (find["state"], find["try_number"]) == ("failed", 1)
    words = f"ocr-ops: ingest_folder failed, run {run}"
    waited_for(lambda: any(one.startswith(words) for one in site.webhook.said), "nobody was told")


def test_a_dry_run_says_what_would_happen_and_does_nothing(site: Site, landed: list[tuple[Any, ...]]):
    runs = "select run_id from ingest.runs where dag_id = 'ingest_folder' order by 1"
    before = execute(site.url, runs)

    run = site.start("ingest_folder", folder="samples/notes.pdf", dry_run=True)

    assert site.ended("ingest_folder", run) == "success"
    words = site.value("ingest_folder", run, "summary")
    assert words.startswith(
        "Nothing was done. 1 documents found: 0 new, 0 known already, 1 that cannot be read."
    )
    assert execute(site.url, runs) == before


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
def test_wrong_parameters_are_refused_before_anything_runs(site: Site, wrong: dict[str, Any]):
    status, answer = site.trigger("ingest_folder", **({"folder": str(INVOICE)} | wrong))

    assert status == 400
    assert next(iter(wrong)) in json.dumps(answer) or str(next(iter(wrong.values()))) in json.dumps(answer)


def test_a_folder_is_found_from_the_checkout_and_what_is_known_is_not_read_again(
    site: Site, landed: list[tuple[Any, ...]]
):
    run = site.start("ingest_folder", folder=f"samples/{INVOICE.name}", doc_type="invoice")

    assert site.ended("ingest_folder", run) == "success"
    assert execute(site.url, LANDED) == landed
    assert site.value("ingest_folder", run, "summary").startswith("1 documents: 1 accepted")
    seen = f"select documents, changed from ingest.runs where run_id = '{run}'"
    assert execute(site.url, seen) == [(1, 0)]


def test_the_audit_store_is_proved_and_retention_told(site: Site, landed: list[tuple[Any, ...]]):
    forms: dict[str, dict[str, Any]] = {
        "verify_audit": {"whole": True},
        "enforce_retention": {"dry_run": True},
    }
    runs = {dag: site.start(dag, **form) for dag, form in forms.items()}

    assert {dag: site.ended(dag, run) for dag, run in runs.items()} == dict.fromkeys(runs, "success")
    assert site.value("verify_audit", runs["verify_audit"], "prove").endswith(": 0 broken")
    assert "would be removed" in site.value("enforce_retention", runs["enforce_retention"], "retain")


def test_a_person_decides_about_a_document_that_is_held_back(site: Site, landed: list[tuple[Any, ...]]):
    long_ago = "loaded_at = '2001-01-01 00:00+00'"
    stand(site, "status = 'needs_review'", f"content_digest = '{OTHER}'", long_ago)

    run = site.start("review_documents", limit=1)
    asked = site.question("review_documents", run)
    # at once, as no person could: Airflow loses such an answer at times, and the question is asked again
    site.answers("review_documents", run, "document.ask", "Approve", map_index=0)

    assert asked["subject"] == "Is invoice.pdf right?"
    assert execute(site.url, LANDED) == landed
    assert execute(site.url, NEWEST) == [("admin", None, "approved as read", None)]


def test_documents_processed_again_count_when_a_person_promotes_them_and_delay_is_told(
    site: Site, landed: list[tuple[Any, ...]]
):
    stand(site, f"content_digest = '{OTHER}'")

    run = site.start("reprocess_documents", documents=["invoice.pdf"], reason="a trial")
    asked = site.question("reprocess_documents", run)
    # as if the fortnight were over
    overdue = f"""update deadline set deadline_time = now() - interval '1 second'
        where dagrun_id = (select id from dag_run where run_id = '{run}')"""
    execute(site.home.database_url, overdue)
    late = f"ocr-ops: reprocess_documents is late, run {run}"
    waited_for(lambda: any(one.startswith(late) for one in site.webhook.said), "nobody was told")
    site.answers("reprocess_documents", run, "ask", "Promote")

    assert asked["subject"] == "Promote the new versions of 1 documents?"
    assert site.value("reprocess_documents", run, "settle") == "1 documents: promote"
    assert execute(site.url, NEWEST) == [("pipeline", "admin", "a trial", "a trial")]


def test_a_backfill_takes_the_documents_of_each_month(site: Site, landed: list[tuple[Any, ...]]):
    stand(site, "first_seen_at = '2025-02-10 00:00+00'", f"content_digest = '{OTHER}'")
    site.unpause("reprocess_documents")
    command = ("backfill", "create", "--dag-id", "reprocess_documents", "--max-active-runs", "2",
               "--from-date", "2025-02-01", "--to-date", "2025-03-31",
               "--dag-run-conf", json.dumps({"decision": "discard", "reason": "a trial"}))  # fmt: skip

    planned = site.home.run(*command, "--dry-run")
    site.home.run(*command)

    assert [f"2025-0{month}-01" in planned for month in (1, 2, 3, 4)] == [False, True, True, False]

    def backfilled() -> Any:
        _, found = site.ask("GET", "/dags/reprocess_documents/dagRuns?run_type=backfill")
        ended = {one["state"] for one in found["dag_runs"]} == {"success"}
        return found["dag_runs"] if ended and found["total_entries"] == 2 else None

    waited_for(backfilled, "the backfill did not end")
    told = """select params -> 'choice' ->> 'since', params -> 'choice' ->> 'until', documents from ingest.runs
        where dag_id = 'reprocess_documents' and run_id like 'backfill%' order by 1"""
    assert execute(site.url, told) == [
        ("2025-02-01T00:00:00+00:00", "2025-03-01T00:00:00+00:00", 1),
        ("2025-03-01T00:00:00+00:00", "2025-04-01T00:00:00+00:00", 0),
    ]
    assert execute(site.url, "select name from marts.proposed_changes where name = 'invoice.pdf'") == []


def checked(site: Site, by: str) -> str:
    """Start a run that checks one accepted document."""
    return site.start("monitor_quality", size=1, days=1, second_engine=by)


@pytest.mark.ocr
def test_accepted_documents_are_checked_by_a_second_engine_and_people_told_when_too_many_differ(
    site: Site, landed: list[tuple[Any, ...]]
):
    stand(site, "loaded_at = now()")
    run = checked(site, "embedded")
    assert site.ended("monitor_quality", run) == "success"
    assert site.value("monitor_quality", run, "judge").startswith("0 of 1 checked documents")
    wrong = "update extraction.fields set value = '9.99' where field = '/grand_total'"
    execute(site.url, wrong)

    run = checked(site, "embedded")

    assert site.ended("monitor_quality", run) == "failed"
    assert site.task("monitor_quality", run, "judge")["try_number"] == 1
    assert "1 of 1 checked documents are wrong" in site.log("monitor_quality", run, "judge")
    words = f"ocr-ops: monitor_quality failed, run {run}"
    waited_for(lambda: any(one.startswith(words) for one in site.webhook.said), "nobody was told")


def test_accepted_documents_are_checked_by_a_person(site: Site, landed: list[tuple[Any, ...]]):
    run = checked(site, "a person")
    asked = site.question("monitor_quality", run)
    site.answers("monitor_quality", run, "ask", "Right", map_index=0)

    assert "drawn for a check" in asked["body"]
    assert site.value("monitor_quality", run, "judge").startswith("0 of 1 checked documents")


def test_tasks_hand_on_little(site: Site, landed: list[tuple[Any, ...]]):
    handed_on = "select dag_id || '.' || task_id, max(length(value::text)) from xcom group by 1"

    sizes = dict(execute(site.home.database_url, handed_on))

    assert {name: size for name, size in sizes.items() if size > 2000} == {}
    assert len(sizes) >= 4


def test_stopping_leaves_no_process(site: Site):
    site.warehouse.stop()
    assert working_below(site.machine.var)

    stopped = stack.down(site.machine, print)

    assert set(stopped) == {"api-server", "scheduler", "dag-processor", "triggerer", "postgres"}
    assert working_below(site.machine.var) == []
    assert stack.down(site.machine, lambda sentence: None) == ()
