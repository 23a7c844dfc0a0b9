"""Many documents at once, many loaders at once, loaders that die: what is loaded is what one clean run would have loaded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from databases import contents, execute, fresh_database, row_versions
from ocr_ops.model import Status
from ocr_ops.rows import Extras, ModelCall, Stage
from ocr_ops.warehouse import Load, Warehouse, chain, loading, migrate
from outcome_builder import INVOICE, digest, outcome, page, receipt, record, unreadable

pytestmark = pytest.mark.postgres

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def server_url(postgres_server):
    return postgres_server.url("postgres")


@pytest.fixture(scope="module")
def template(server_url):
    with fresh_database(server_url) as url:
        migrate(url)
        with Warehouse(url) as warehouse:
            warehouse.start_run("run 1", trigger="manual", started_at=NOW)
        yield url


@pytest.fixture
def database(server_url, template):
    with fresh_database(server_url, template=template) as url:
        yield url


def load(url, loads, at=NOW):
    with Warehouse(url) as warehouse:
        return warehouse.load_many(loads, run_id="run 1", loaded_at=at)


def value(url, query):
    return execute(url, query)[0][0]


def numbered(number):
    """One of many documents: every tenth a receipt, every seventh unreadable, all sharing one picture."""
    if number % 7 == 3:
        return Load(unreadable(f"{number}.bad"))
    if number % 10 == 0:
        return Load(receipt(f"{number}.png"))
    values = {**INVOICE, "invoice_number": f"N{number}"}
    call = ModelCall(digest(f"manifest {number}.pdf"), Stage.READ, "vllm", "model", seconds=1.5)
    return Load(outcome(f"{number}.pdf", record=record(values)), Extras(calls=(call,)))


def clean_load(server_url, template, loads):
    """What one undisturbed loader leaves, one document at a time."""
    with fresh_database(server_url, template=template) as clean:
        with Warehouse(clean) as warehouse:
            for one in loads:
                warehouse.load(one.outcome, extras=one.extras, run_id="run 1", loaded_at=NOW)
        return contents(clean)


def assert_chain_holds(url):
    """Numbers without a gap, every hash right, one event for each manifest."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = list(chain.rows(connection))
    engine.dispose()
    previous = chain.GENESIS
    for place, row in enumerate(rows, 1):
        assert (row.sequence, row.previous_hash) == (place, previous)
        own = chain.hash_of(place, row.at, row.kind, row.subject, row.payload_digest, previous)
        assert own == row.hash
        previous = own
    assert len([row for row in rows if row.kind == "loaded"]) == value(
        url, "select count(*) from audit.manifests"
    )


# --- many documents in one call ---


def test_a_batch_leaves_what_single_loads_leave(database, server_url, template, monkeypatch):
    monkeypatch.setattr(loading, "TOGETHER", 20)  # three transactions, the last one shorter
    loads = [numbered(n) for n in range(46)]

    results = load(database, loads)

    assert [result.changed for result in results] == [True] * 46
    assert [result.version for result in results] == [1] * 46
    assert contents(database) == clean_load(server_url, template, loads)
    assert_chain_holds(database)


def test_the_same_batch_again_touches_no_row(database):
    loads = [numbered(n) for n in range(30)]
    load(database, loads)
    before = row_versions(database)

    assert not any(result.changed for result in load(database, loads, LATER))
    assert row_versions(database) == before


def test_a_document_twice_in_a_batch_ends_as_the_later_one(database):
    first, second = outcome(), outcome(status=Status.NEEDS_REVIEW, record=record(status=Status.NEEDS_REVIEW))
    moved = replace(second, uri="file:///in/copy.pdf", name="copy.pdf")

    results = load(database, [Load(first), Load(second), Load(moved)])

    assert [(result.changed, result.version) for result in results] == [(True, 1), (True, 2), (False, 2)]
    assert execute(database, "select status, places, version from marts.documents") == [
        ("needs_review", 2, 2)
    ]


@pytest.mark.parametrize("bad_at", [[0], [4], [9], [2, 3], list(range(10))])
def test_a_document_that_postgres_refuses_loses_only_itself(database, bad_at):
    execute(
        database, "alter table extraction.invoices add constraint ck_no_evil check (seller_name <> 'Evil')"
    )
    loads = [
        Load(
            outcome(f"{n}.pdf", record=record({**INVOICE, "seller_name": "Evil" if n in bad_at else "Good"}))
        )
        for n in range(10)
    ]

    results = load(database, loads)

    assert [n for n, result in enumerate(results) if result.refused] == bad_at
    assert all("ck_no_evil" in results[n].refused and "Evil" not in results[n].refused for n in bad_at)
    assert value(database, "select count(*) from marts.documents") == 10 - len(bad_at)
    assert value(database, "select count(*) from audit.links where role = 'source'") == 10 - len(bad_at)
    assert_chain_holds(database)


def test_no_documents_are_no_work(database):
    before = row_versions(database)

    assert load(database, []) == []
    assert row_versions(database) == before


def test_nothing_that_was_read_is_ever_rewritten_or_removed(database):
    load(database, [numbered(n) for n in range(10)])
    read = ("extraction.fields", "extraction.field_boxes", "extraction.invoices", "ingest.pages")
    before = {table: set(row_versions(database)[table]) for table in read}

    load(database, [Load(outcome(f"{n}.pdf", pages=(page(), page(2)))) for n in range(10)], LATER)

    after = row_versions(database)
    assert all(before[table] < set(after[table]) for table in read)


# --- killed ---

LOADER = """
import sys
from datetime import UTC, datetime
sys.path[:0] = sys.argv[2:4]
from test_loading import NOW, numbered
from ocr_ops.warehouse import Warehouse
print("ready", flush=True)
sys.stdin.readline()
with Warehouse(sys.argv[1]) as warehouse:
    for begin in range(0, 120, 20):
        loads = [numbered(n) for n in range(begin, begin + 20)]
        warehouse.load_many(loads, run_id="run 1", loaded_at=NOW)
print("done", flush=True)
"""


def start_loader(script, url):
    loader = subprocess.Popen(
        [sys.executable, script, url, str(HERE), str(HERE / "integration")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert loader.stdout.readline() == "ready\n"
    loader.stdin.write("go\n")
    loader.stdin.flush()
    return loader


def wait_until_alone(url):
    others = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    for _ in range(400):
        if value(url, others) == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the server still works for a loader that is dead")


def test_loaders_killed_at_random_points_and_tried_again_equal_one_clean_run(
    database, server_url, template, tmp_path
):
    script = tmp_path / "loader.py"
    script.write_text(LOADER)
    dice, whole = random.Random(7), "select count(*) from extraction.records"
    killed = 0
    for _ in range(6):
        loader = start_loader(script, database)
        time.sleep(dice.uniform(0.0, 0.25))
        killed += loader.poll() is None
        os.kill(loader.pid, signal.SIGKILL)
        loader.communicate()
        wait_until_alone(database)
        assert value(database, whole) % 20 == 0
        assert_chain_holds(database)

    last = start_loader(script, database)
    assert last.communicate()[0] == "done\n"
    assert killed >= 3
    assert contents(database) == clean_load(server_url, template, [numbered(n) for n in range(120)])
    assert_chain_holds(database)


@pytest.mark.parametrize(
    "table",
    ["extraction.records", "extraction.invoice_lines", "audit.links", "ingest.run_documents", "audit.chain"],
)
def test_a_loader_killed_at_a_table_leaves_nothing_and_a_retry_everything(
    database, server_url, template, table, tmp_path
):
    script = tmp_path / "loader.py"
    script.write_text(LOADER.replace("120", "20"))
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"lock table {table} in share mode")
        loader = start_loader(script, database)
        while value(database, waiting) == 0:
            assert loader.poll() is None
            time.sleep(0.05)
        os.kill(loader.pid, signal.SIGKILL)
        loader.communicate()
    engine.dispose()
    wait_until_alone(database)

    assert value(database, "select count(*) from ingest.documents") == 0
    assert start_loader(script, database).communicate()[0] == "done\n"
    assert contents(database) == clean_load(server_url, template, [numbered(n) for n in range(20)])


# --- many at once ---


def test_eight_loaders_of_overlapping_documents_equal_one_clean_load(database, server_url, template):
    loads = [numbered(n) for n in range(60)]

    def load_some(seed):
        dice = random.Random(seed)
        mine = dice.sample(loads, 45) + dice.sample(loads, 15)
        return load(database, mine)

    with ThreadPoolExecutor(8) as pool:
        results = [result for some in pool.map(load_some, range(8)) for result in some]

    assert not [result for result in results if result.refused]
    changed = [result.document_key for result in results if result.changed]
    assert len(changed) == len(set(changed))
    missing = [one for one in loads if load(database, [one])[0].changed]
    assert len(missing) + len(changed) == len(loads)
    assert contents(database) == clean_load(server_url, template, loads)
    assert_chain_holds(database)


def test_loaders_that_disagree_leave_every_version_whole(database):
    def version(n):
        values = {**INVOICE, "grand_total": f"{n}.00", "line_items": INVOICE["line_items"] * n}
        return Load(outcome(record=record(values)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: [load(database, [version(n)]) for _ in range(4)], range(1, 5)))

    whole = """select h.version, 2 * h.grand_total = count(l.line_no)
        from extraction.invoices h left join extraction.invoice_lines l using (document_key, version) group by 1, h.grand_total"""
    versions = execute(database, whole)
    assert all(right for _, right in versions)
    assert sorted(number for number, _ in versions) == list(range(1, len(versions) + 1))
    assert value(database, "select count(*) from extraction.records where valid_to is null") == 1
    assert_chain_holds(database)
