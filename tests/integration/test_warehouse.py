"""Loading is exact, idempotent, safe to kill and safe to share; what was loaded can be asked for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import create_engine, make_url, text

from databases import contents, execute, fresh_database, row_versions
from ocr_ops.errors import TerminalError, WarehouseUnavailable
from ocr_ops.model import (
    Problem,
    ProblemKind,
    RawPage,
    ReplyFormat,
    SourceDocument,
    Stage,
    Status,
)
from ocr_ops.rows import Extras, uri_key
from ocr_ops.warehouse import Warehouse, migrate
from outcome_builder import INVOICE, digest, outcome, page, receipt, record, unreadable

pytestmark = pytest.mark.postgres

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
LATER = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def server_url(postgres_server):
    return postgres_server.url("postgres")


@pytest.fixture(scope="module")
def template(server_url):
    with fresh_database(server_url) as url:
        migrate(url)
        with Warehouse(url) as warehouse:
            warehouse.start_run(
                "run 1", trigger="manual", started_at=NOW, dag_id="ingest_folder", params={"batch": 8}
            )
        yield url


@pytest.fixture
def database(server_url, template):
    with fresh_database(server_url, template=template) as url:
        yield url


@pytest.fixture
def warehouse(database):
    with Warehouse(database) as opened:
        yield opened


def load(warehouse, made, **changes):
    return warehouse.load(made, **{"run_id": "run 1", "loaded_at": NOW, **changes})


def rows(url, table, order="1, 2"):
    return execute(url, f"select * from {table} order by {order}")


def value(url, query):
    return execute(url, query)[0][0]


# --- what arrives ---


def test_an_accepted_invoice_reaches_marts_typed(database, warehouse):
    result = load(warehouse, outcome())

    assert (result.document_key, result.status, result.changed) == (
        digest("file a.pdf"),
        Status.ACCEPTED,
        True,
    )
    header = "select invoice_number, issue_date, currency, grand_total, grand_total::text, status from marts.invoices"
    assert execute(database, header) == [
        ("RE-2024-17", date(2024, 3, 5), "EUR", Decimal("119.00"), "119.00", "accepted")
    ]
    lines = "select line_no, description, quantity, line_total from marts.invoice_lines order by line_no"
    assert execute(database, lines) == [
        (1, "Bolts", Decimal("10"), Decimal("40.00")),
        (2, "Nuts", Decimal("12.5"), Decimal("60.00")),
    ]


def test_an_accepted_receipt_reaches_marts_typed(database, warehouse):
    load(warehouse, receipt())

    receipts = "select merchant_name, date, time::text, currency, total::text from marts.receipts"
    assert execute(database, receipts) == [("Kopi Tiam", date(2018, 2, 14), "13:05:00", "MYR", "8.20")]
    assert execute(database, "select description, line_total::text from marts.receipt_lines") == [
        ("KOPI O", "8.20")
    ]


def test_a_document_held_back_is_only_in_the_views_that_say_so(database, warehouse):
    unsure = Problem(
        Stage.VALIDATE, ProblemKind.UNCONFIRMED, "The total was seen once only.", field="/grand_total"
    )
    held = record(status=Status.NEEDS_REVIEW, problems=(unsure,))
    load(warehouse, outcome(status=Status.NEEDS_REVIEW, record=held))

    assert execute(database, "select * from marts.invoices") == []
    assert execute(database, "select * from marts.invoice_lines") == []
    assert execute(database, "select status, grand_total from marts.invoices_all") == [
        ("needs_review", Decimal("119.00"))
    ]
    assert value(database, "select count(*) from marts.invoice_lines_all") == 2
    assert execute(
        database, "select party, total, reasons, fields, waiting_since from marts.review_queue"
    ) == [("Müller & Söhne GmbH", Decimal("119.00"), unsure.detail, ["/grand_total"], NOW)]


@pytest.mark.parametrize("found_digest", [None, digest("bytes nobody can open")])
def test_an_unreadable_file_is_listed_with_its_reason(database, warehouse, found_digest):
    load(warehouse, unreadable(digest=found_digest))

    listed = "select name, status, doc_type, total, reasons, digest from marts.documents"
    assert execute(database, listed) == [
        ("x.pdf", "quarantined", None, None, "The file is locked with a password.", found_digest)
    ]
    assert execute(database, "select * from marts.review_queue") == []


def test_an_unknown_document_type_keeps_values_and_evidence(database, warehouse):
    load(warehouse, outcome(record=record({"fare": "12.50"}, doc_type="taxi_receipt_cn", evidence=())))

    assert execute(database, "select doc_type, values->>'fare' from extraction.records") == [
        ("taxi_receipt_cn", "12.50")
    ]
    assert execute(database, "select field, value from marts.evidence") == [("/fare", "12.50")]


def test_evidence_leads_from_a_value_to_a_box_on_a_page_picture(database, warehouse):
    load(warehouse, outcome())

    query = """select value, raw, match, page, block_id, box_px, picture_digest from marts.evidence
        where field = '/grand_total'"""
    assert execute(database, query) == [
        ("119.00", "119,00 EUR", "normalised", 1, "p001.b002", [501, 1802, 601, 1842], digest("picture 1"))
    ]
    assert execute(
        database, "select line_no, value from marts.evidence where field = '/line_items/1/quantity'"
    ) == [(2, "12.5")]


def test_pages_rules_and_artifacts_are_kept(database, warehouse):
    raw = RawPage(1, "embedded", "PP-OCRv6", "3.10.0", ReplyFormat.LINES, "[]")
    load(warehouse, outcome(), extras=Extras({digest("raw 1"): raw}, {digest("raw 1"): 2}))

    assert execute(database, "select page, width_px, dpi, turn, engine, model from ingest.pages") == [
        (1, 1000, Decimal("200.00"), 0, "embedded", "PP-OCRv6")
    ]
    assert execute(database, "select rule, holds from extraction.rule_results") == [
        ("net_and_tax_make_gross", True)
    ]
    links = "select role, l.page, kind, size_bytes from audit.links l join audit.artifacts using (digest) order by role"
    assert execute(database, links) == [
        ("manifest", None, "manifest", None),
        ("page/1/picture", 1, "page/picture", None),
        ("page/1/raw/1", 1, "page/raw", 2),
        ("record", None, "record", None),
        ("source", None, "source", 12345),
    ]
    assert rows(database, "audit.manifests")[0][:3] == (
        digest("manifest a.pdf"),
        digest("file a.pdf"),
        "run 1",
    )


def test_hostile_text_is_stored_as_text(database, warehouse):
    nasty = "'); drop table ingest.documents; -- \x00 %s %(x)s :x \ud800"
    load(warehouse, outcome(record=record({**INVOICE, "seller_name": nasty})))

    assert value(database, "select seller_name from marts.invoices").startswith(
        "'); drop table ingest.documents; --"
    )
    assert value(database, "select count(*) from ingest.documents") == 1


def test_a_path_as_long_as_the_system_allows_fits(database, warehouse):
    long = "file:///" + "".join(chr(0x4E00 + n % 5000) for n in range(4000))
    load(warehouse, replace(outcome(), uri=long))

    assert value(database, "select uri from marts.documents") == long


# --- again ---


def test_the_same_outcome_again_touches_no_row(database, warehouse):
    made = [outcome(), receipt(), unreadable(), outcome("b.pdf", problems=outcome().problems)]
    for one in made:
        load(warehouse, one)
    before = row_versions(database)

    assert [load(warehouse, one, loaded_at=LATER).changed for one in made] == [False] * 4
    assert row_versions(database) == before


def test_the_same_outcome_in_a_later_run_adds_only_that_the_run_saw_it(database, warehouse):
    load(warehouse, outcome())
    before = contents(database)
    warehouse.start_run("run 2", trigger="scheduled", started_at=LATER)

    assert not load(warehouse, outcome(), run_id="run 2", loaded_at=LATER).changed
    after = contents(database)
    assert {name for name in after if after[name] != before[name]} == {"ingest.runs", "ingest.run_documents"}
    assert execute(database, "select first_seen_at, loaded_at, last_seen_at from marts.documents") == [
        (NOW, NOW, LATER)
    ]


def seen_by_analysts(url):
    """What the views of the facts show, without the number of the version."""
    views = [
        "invoices_all",
        "invoice_lines_all",
        "taxes_all",
        "parties_all",
        "evidence",
        "problems",
        "documents",
    ]
    return {
        view: sorted(
            row[0] for row in execute(url, f"select (to_jsonb(v) - 'version')::text from marts.{view} v")
        )
        for view in views
    }


def test_a_changed_record_shows_nothing_of_the_old_one(database, server_url, template, warehouse):
    old_values = {**INVOICE, "line_items": INVOICE["line_items"] * 3, "buyer_name": "Gone"}
    old = record(old_values, problems=(Problem(Stage.VALIDATE, ProblemKind.MISSING, "No due date."),))
    load(warehouse, outcome(record=old, pages=(page(), page(2)), artifacts={}))

    assert load(warehouse, outcome(artifacts={})).changed
    with fresh_database(server_url, template=template) as clean:
        with Warehouse(clean) as other:
            load(other, outcome(artifacts={}))
        assert seen_by_analysts(database) == seen_by_analysts(clean)


def test_a_new_document_type_moves_the_document_between_views(database, warehouse):
    load(warehouse, outcome("r.png"))
    load(warehouse, receipt())

    assert value(database, "select count(*) from marts.invoices_all") == 0
    assert value(database, "select count(*) from marts.invoice_lines_all") == 0
    assert execute(database, "select doc_type, party from marts.documents") == [("receipt", "Kopi Tiam")]


def test_reprocessing_keeps_what_was_linked_before(database, warehouse):
    load(warehouse, outcome())
    again = {**outcome().artifacts, "manifest": digest("second manifest")}
    load(warehouse, outcome(artifacts=again), loaded_at=LATER)

    query = "select digest, linked_at from audit.links where role = 'manifest' order by linked_at"
    assert execute(database, query) == [(digest("manifest a.pdf"), NOW), (digest("second manifest"), LATER)]
    assert value(database, "select count(*) from audit.manifests") == 2


def test_what_decided_the_result_is_known_for_the_next_run(database, warehouse):
    key = digest("file a.pdf")
    load(warehouse, outcome(), processed_key=digest("engine 1"))
    load(warehouse, unreadable())

    known = warehouse.known([key, digest("never seen"), uri_key("file:///in/x.pdf")])
    assert set(known) == {key, uri_key("file:///in/x.pdf")}
    assert (known[key].status, known[key].doc_type, known[key].processed_key) == (
        Status.ACCEPTED,
        "invoice",
        digest("engine 1"),
    )
    assert not load(warehouse, outcome(), processed_key=digest("engine 2")).changed
    assert warehouse.known([key])[key].processed_key == digest("engine 2")
    assert warehouse.known([]) == {}


# --- places ---


def test_the_same_bytes_at_a_second_place_are_one_document(database, warehouse):
    load(warehouse, outcome())
    moved = replace(outcome(), uri="file:///in/copy.pdf", name="copy.pdf")

    assert not load(warehouse, moved).changed
    assert execute(database, "select name, places from marts.documents") == [("a.pdf", 2)]


@pytest.mark.parametrize("copy_first", [True, False])
def test_a_duplicate_is_listed_beside_the_document_whatever_comes_first(database, warehouse, copy_first):
    copy = unreadable("copy.pdf", ProblemKind.DUPLICATE, digest=digest("file a.pdf"))
    for made in [copy, outcome()] if copy_first else [outcome(), copy]:
        load(warehouse, made)

    assert execute(database, "select name, status, digest from marts.documents order by name") == [
        ("a.pdf", "accepted", digest("file a.pdf")),
        ("copy.pdf", "quarantined", digest("file a.pdf")),
    ]


def test_a_file_that_can_be_read_at_last_takes_the_place_of_its_placeholder(database, warehouse):
    load(warehouse, unreadable("a.pdf", ProblemKind.STILL_WRITTEN))
    load(warehouse, outcome("a.pdf"), loaded_at=LATER)

    assert execute(database, "select name, status from marts.documents") == [("a.pdf", "accepted")]
    assert warehouse.known([uri_key("file:///in/a.pdf")]) == {}
    assert load(warehouse, unreadable("a.pdf", ProblemKind.STILL_WRITTEN)).changed
    assert value(database, "select count(*) from marts.documents") == 2


def test_a_run_notes_known_documents_it_met(database, warehouse):
    load(warehouse, outcome())
    load(warehouse, unreadable())
    warehouse.start_run("run 2", trigger="cli", started_at=LATER)
    moved = SourceDocument("file:///in/moved.pdf", "moved.pdf", digest("file a.pdf"), "application/pdf", 1)
    stranger = SourceDocument("file:///in/new.pdf", "new.pdf", digest("new"), "application/pdf", 1)

    for _ in range(2):
        warehouse.note_seen([moved, stranger, unreadable()], run_id="run 2", seen_at=LATER)
    warehouse.note_seen([], run_id="run 2", seen_at=LATER)

    assert [(line.name, line.changed) for line in warehouse.documents_of_run("run 2")] == [
        ("moved.pdf", False),
        ("x.pdf", False),
    ]
    assert value(database, "select places from marts.documents where name = 'a.pdf'") == 2


# --- runs and questions ---


def test_a_finished_run_counts_its_documents(warehouse):
    for made in [outcome(), outcome("b.pdf"), receipt(status=Status.NEEDS_REVIEW), unreadable()]:
        load(warehouse, made)

    summary = warehouse.finish_run("run 1", finished_at=LATER)
    assert (
        summary.documents,
        summary.accepted,
        summary.needs_review,
        summary.quarantined,
        summary.changed,
    ) == (
        4,
        2,
        1,
        1,
        4,
    )
    assert (summary.started_at, summary.finished_at) == (NOW, LATER)


def test_starting_a_run_again_keeps_it(database, warehouse):
    warehouse.start_run("run 1", trigger="scheduled", started_at=LATER)

    assert execute(database, "select trigger, started_at, params from ingest.runs") == [
        ("manual", NOW, {"batch": 8})
    ]


def test_a_document_processed_twice_in_a_run_counts_once_with_its_last_status(warehouse):
    load(warehouse, outcome(status=Status.NEEDS_REVIEW))
    load(warehouse, outcome())

    summary = warehouse.finish_run("run 1", finished_at=LATER)
    assert (summary.documents, summary.accepted, summary.needs_review) == (1, 1, 0)


def test_the_lines_of_a_run_say_who_when_how_much_and_why_not(warehouse):
    load(warehouse, unreadable())
    load(warehouse, outcome())

    invoice, broken = warehouse.documents_of_run("run 1")
    assert (invoice.name, invoice.doc_type, invoice.party) == ("a.pdf", "invoice", "Müller & Söhne GmbH")
    assert (invoice.document_date, invoice.total, invoice.currency) == (
        date(2024, 3, 5),
        Decimal("119.00"),
        "EUR",
    )
    assert (invoice.status, invoice.reasons, invoice.changed) == (Status.ACCEPTED, "", True)
    assert (broken.name, broken.status, broken.total) == ("x.pdf", Status.QUARANTINED, None)
    assert broken.reasons == "The file is locked with a password."


def test_lines_by_key_come_in_the_order_asked_for(warehouse):
    load(warehouse, outcome())
    load(warehouse, unreadable())
    keys = [uri_key("file:///in/x.pdf"), digest("never seen"), digest("file a.pdf")]

    assert [(line.name, line.changed) for line in warehouse.lines(keys)] == [
        ("x.pdf", False),
        ("a.pdf", False),
    ]
    assert warehouse.lines([]) == []


@pytest.mark.parametrize("length", [8, 20, 71])
def test_a_document_is_found_by_the_beginning_of_its_key(warehouse, length):
    load(warehouse, outcome())
    key = digest("file a.pdf")

    for name in {key[:length], key.removeprefix("sha256:")[:length], "a.pdf"}:
        story = warehouse.document(name)
        assert story["document"]["name"] == "a.pdf"
        assert {link["role"] for link in story["links"]} == set(outcome().artifacts)
        assert story["fields"][0]["field"] == "/invoice_number"


def test_a_name_that_fits_none_or_several_is_not_guessed(warehouse):
    load(warehouse, outcome())
    load(warehouse, outcome("b.pdf"))

    assert warehouse.document("no such") is None
    assert warehouse.document("%") is None
    with pytest.raises(TerminalError, match="several documents fit"):
        warehouse.document("sha256:")


# --- what can go wrong meanwhile ---


def wait_for(url, query, expected):
    for _ in range(200):
        if value(url, query) == expected:
            return
        time.sleep(0.05)
    raise AssertionError(f"still not {expected}: {query}")


@contextmanager
def loading_behind_a_lock(url, *statements):
    """A load of b.pdf that waits, with the session that makes it wait."""
    engine = create_engine(url)
    with engine.begin() as connection, Warehouse(url) as warehouse, ThreadPoolExecutor(1) as pool:
        for statement in (*statements, "lock table audit.links in share mode"):
            connection.execute(text(statement))
        waiting = pool.submit(load, warehouse, outcome("b.pdf"))
        wait_for(url, "select count(*) from pg_locks where not granted", 1)
        yield connection, waiting
    engine.dispose()


def test_a_connection_that_the_server_cuts_is_worth_another_try(database):
    with loading_behind_a_lock(database) as (_, waiting):
        execute(database, "select pg_terminate_backend(pid) from pg_locks where not granted")

        with pytest.raises(WarehouseUnavailable):
            waiting.result(timeout=30)


def test_a_deadlock_is_worth_another_try(database):
    key = digest("file b.pdf")
    with loading_behind_a_lock(database, "set local deadlock_timeout = '1h'") as (connection, waiting):
        connection.execute(text(f"select pg_advisory_xact_lock(hashtextextended('{key}', 0))"))

        with pytest.raises(WarehouseUnavailable, match="40P01"):
            waiting.result(timeout=30)


# --- rights and wrongs ---


def test_the_loader_role_is_enough_to_load_and_to_read(database):
    as_loader = make_url(database).update_query_dict({"options": "-c role=ocr_ops_loader"})
    with Warehouse(as_loader.render_as_string(hide_password=False)) as warehouse:
        load(warehouse, outcome())
        assert load(warehouse, outcome(status=Status.NEEDS_REVIEW)).changed
        warehouse.note_seen([outcome()], run_id="run 1", seen_at=LATER)
        assert warehouse.finish_run("run 1", finished_at=LATER).documents == 1
        assert warehouse.document("a.pdf")["document"]["status"] == "needs_review"


def test_a_run_nobody_started_is_a_mistake_of_the_caller(warehouse):
    with pytest.raises(TerminalError, match="run_id"):
        load(warehouse, outcome(), run_id="never started")
    assert warehouse.documents_of_run("never started") == []
    with pytest.raises(TerminalError, match="no run"):
        warehouse.finish_run("never started", finished_at=NOW)


def test_a_database_without_tables_says_what_to_do(server_url):
    with (
        fresh_database(server_url) as url,
        Warehouse(url) as warehouse,
        pytest.raises(TerminalError, match="ocr-ops db migrate"),
    ):
        load(warehouse, outcome())


def test_a_server_that_is_gone_may_come_back():
    with (
        Warehouse("postgresql://nobody@127.0.0.1:1/none") as warehouse,
        pytest.raises(WarehouseUnavailable, match="Postgres"),
    ):
        warehouse.known([digest("x")])


def test_errors_never_quote_the_document(database, warehouse):
    execute(database, "alter table extraction.invoices add check (seller_name <> 'Secret Ltd')")

    with pytest.raises(TerminalError) as caught:
        load(warehouse, outcome(record=record({**INVOICE, "seller_name": "Secret Ltd"})))
    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is None
