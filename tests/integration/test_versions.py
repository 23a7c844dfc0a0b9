"""Corrections are versions: what we believed stays, a proposal changes nothing until it is promoted, and then all at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from databases import execute, fresh_database, row_versions
from ocr_ops.errors import TerminalError
from ocr_ops.model import Evidence, Match, ProblemKind, Status
from ocr_ops.warehouse import Load, Warehouse, migrate
from outcome_builder import INVOICE, digest, outcome, page, receipt, record, unreadable

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
KEY = digest("file a.pdf")


@pytest.fixture(scope="module")
def template(postgres_server):
    with fresh_database(postgres_server.url("postgres")) as url:
        migrate(url)
        with Warehouse(url) as warehouse:
            warehouse.start_run("run 1", trigger="manual", started_at=NOW)
        yield url


@pytest.fixture
def database(postgres_server, template):
    with fresh_database(postgres_server.url("postgres"), template=template) as url:
        yield url


@pytest.fixture
def warehouse(database):
    with Warehouse(database) as opened:
        yield opened


def with_total(total, **changes):
    found = Evidence("/grand_total", Match.EXACT, 1, ("p001.b002",), total)
    return outcome(record=record({**INVOICE, "grand_total": total}, evidence=(found,)), **changes)


def load(warehouse, made, at=NOW, **changes):
    return warehouse.load(made, run_id="run 1", loaded_at=at, **changes)


def propose(warehouse, *made, at=NOW + DAY):
    loads = [Load(one) for one in made]
    return warehouse.propose(loads, run_id="run 1", made_at=at, reason="a better reader")


def totals(url, moment=None):
    view = "marts.documents" if moment is None else f"marts.as_of('{moment.isoformat()}')"
    return execute(url, "set role ocr_ops_analyst", f"select name, total::text from {view} order by name")


# --- versions ---


def test_each_correction_is_a_version_with_who_and_why_and_since_when(database, warehouse):
    load(warehouse, with_total("119.00"))
    load(warehouse, with_total("191.00"), NOW + DAY, by="anna", reason="digits swapped")
    load(warehouse, with_total("119.00"), NOW + 2 * DAY)

    history = """select version, total::text, valid_from, valid_to, made_by, reason, counts_now
        from marts.document_versions order by version"""
    assert execute(database, history) == [
        (1, "119.00", NOW, NOW + DAY, "pipeline", "first load", False),
        (2, "191.00", NOW + DAY, NOW + 2 * DAY, "anna", "digits swapped", False),
        (3, "119.00", NOW + 2 * DAY, None, "pipeline", "loaded again with another result", True),
    ]


def test_as_of_answers_what_was_believed_then(database, warehouse):
    load(warehouse, with_total("119.00"))
    load(warehouse, with_total("191.00"), NOW + DAY)
    load(warehouse, receipt(), NOW + 2 * DAY)

    assert totals(database, NOW - DAY) == []
    assert totals(database, NOW) == [("a.pdf", "119.00")]
    assert totals(database, NOW + DAY) == [("a.pdf", "191.00")]
    assert totals(database, NOW + 9 * DAY) == [("a.pdf", "191.00"), ("r.png", "8.20")]


def test_as_of_knows_when_an_unreadable_file_could_be_read(database, warehouse):
    load(warehouse, unreadable("a.pdf", ProblemKind.STILL_WRITTEN))
    load(warehouse, with_total("119.00"), NOW + DAY)

    believed = "select status, total::text from marts.as_of('{}')"
    assert execute(database, believed.format(NOW)) == [("quarantined", None)]
    assert execute(database, believed.format(NOW + DAY)) == [("accepted", "119.00")]


def test_clocks_that_disagree_leave_no_version_that_ends_before_it_starts(database, warehouse):
    load(warehouse, with_total("1.00"))
    load(warehouse, with_total("2.00"), NOW - DAY)

    assert execute(database, "select version, valid_from, valid_to from extraction.records order by 1") == [
        (1, NOW, NOW),
        (2, NOW - DAY, None),
    ]


def test_changes_of_a_version_are_listed_with_old_and_new(database, warehouse):
    load(warehouse, with_total("119.00"))
    load(warehouse, with_total("191.00"), NOW + DAY, by="anna", reason="digits swapped")

    changes = """select field, old_value, new_value, old_raw, new_raw, new_page, new_box_px, changed_by, reason
        from marts.version_changes"""
    assert execute(database, "set role ocr_ops_analyst", changes) == [
        (
            "/grand_total",
            "119.00",
            "191.00",
            "119.00",
            "191.00",
            1,
            [501, 1802, 601, 1842],
            "anna",
            "digits swapped",
        )
    ]


@pytest.mark.parametrize(
    "change", ["valid_from = null", "state = 'proposed'", "values = null", "version = 0"]
)
def test_the_tables_refuse_a_version_that_contradicts_itself(database, warehouse, change):
    load(warehouse, with_total("119.00"))

    with pytest.raises(Exception, match="violates"):
        execute(database, f"update extraction.records set {change}")


# --- proposals ---


def test_a_proposal_is_seen_by_no_reader_until_it_is_promoted(database, warehouse):
    load(warehouse, with_total("119.00"))

    proposed = propose(warehouse, with_total("191.00"))[0]

    assert (proposed.changed, proposed.proposed, proposed.version) == (True, True, 2)
    assert totals(database) == totals(database, NOW + 9 * DAY) == [("a.pdf", "119.00")]
    assert execute(database, "select value from marts.evidence where field = '/grand_total'") == [("119.00",)]

    decided = warehouse.promote([KEY], by="anna", reason="looks right", at=NOW + 2 * DAY)
    assert [(one.document_key, one.version) for one in decided] == [(KEY, 2)]
    assert totals(database) == [("a.pdf", "191.00")]
    assert totals(database, NOW + DAY) == [("a.pdf", "119.00")]
    assert totals(database, NOW + 2 * DAY) == [("a.pdf", "191.00")]
    assert execute(database, "select value from marts.evidence where field = '/grand_total'") == [("191.00",)]


def test_differences_name_field_old_new_and_evidence(warehouse):
    held = with_total("191.00", status=Status.NEEDS_REVIEW, pages=(page(), page(2)))
    held = replace(held, record=replace(held.record, values={**held.record.values, "due_date": "2024-04-01"}))
    load(warehouse, with_total("119.00"))
    load(warehouse, receipt())
    propose(warehouse, held, receipt())

    found = {one.field: one for one in warehouse.differences()}
    assert set(found) == {"status", "/grand_total", "/due_date"}
    total = found["/grand_total"]
    assert (total.name, total.old_version, total.new_version) == ("a.pdf", 1, 2)
    assert (total.old_value, total.new_value, total.old_raw, total.new_raw) == ("119.00", "191.00") * 2
    assert (total.new_page, total.new_box_px) == (1, (501, 1802, 601, 1842))
    assert (found["/due_date"].old_value, found["/due_date"].new_value) == (None, "2024-04-01")
    assert (found["status"].old_value, found["status"].new_value) == ("accepted", "needs_review")
    assert warehouse.differences([digest("file r.png")]) == []
    assert len(warehouse.differences([KEY])) == 3


def test_what_comes_out_the_same_is_not_proposed_and_touches_no_version(database, warehouse):
    load(warehouse, with_total("119.00"))
    before = row_versions(database)["extraction.records"]

    results = propose(warehouse, with_total("119.00"))

    assert (results[0].changed, results[0].proposed) == (False, False)
    assert row_versions(database)["extraction.records"] == before
    assert warehouse.differences() == []


def test_the_same_proposal_again_is_one_proposal_and_another_replaces_it(database, warehouse):
    load(warehouse, with_total("119.00"))
    propose(warehouse, with_total("191.00"))
    assert not propose(warehouse, with_total("191.00"))[0].changed

    propose(warehouse, with_total("911.00"), at=NOW + 2 * DAY)

    states = "select version, state, decision_reason from extraction.records order by version"
    assert execute(database, states) == [
        (1, "promoted", None),
        (2, "discarded", "replaced by a later proposal"),
        (3, "proposed", None),
    ]


def test_a_discarded_proposal_changes_nothing_and_stays_readable(database, warehouse):
    load(warehouse, with_total("119.00"))
    propose(warehouse, with_total("191.00"))

    decided = warehouse.discard([KEY], by="anna", reason="worse", at=NOW + 2 * DAY)

    assert [one.version for one in decided] == [2]
    assert totals(database) == [("a.pdf", "119.00")]
    assert warehouse.differences() == []
    assert execute(database, "select total, decided_by from marts.document_versions where version = 2") == [
        (Decimal("191.00"), "anna")
    ]
    assert warehouse.promote([KEY], by="anna", reason="again", at=NOW + 3 * DAY) == []


def test_a_proposal_against_a_version_that_no_longer_counts_is_refused_with_all_others(database, warehouse):
    load(warehouse, with_total("119.00"))
    load(warehouse, receipt())
    changed = receipt()
    changed = replace(
        changed, record=replace(changed.record, values={**changed.record.values, "total": "9.20"})
    )
    propose(warehouse, with_total("191.00"), changed)
    load(warehouse, with_total("120.00"), NOW + 2 * DAY)

    with pytest.raises(TerminalError, match="propose again"):
        warehouse.promote([KEY, digest("file r.png")], by="anna", reason="", at=NOW + 3 * DAY)

    assert totals(database) == [("a.pdf", "120.00"), ("r.png", "8.20")]


def test_an_unknown_document_has_nothing_to_compare_with_and_is_loaded(database, warehouse):
    assert propose(warehouse, with_total("119.00"))[0].proposed is False
    assert totals(database) == [("a.pdf", "119.00")]


def test_a_promotion_of_many_documents_is_one_moment_for_a_reader(database, warehouse):
    names = [f"{n:02}.pdf" for n in range(30)]

    def all_with(total):
        return [
            outcome(name, record=record({**INVOICE, "invoice_number": name, "grand_total": total}))
            for name in names
        ]

    warehouse.load_many([Load(one) for one in all_with("1.00")], run_id="run 1", loaded_at=NOW)
    propose(warehouse, *all_with("2.00"))
    keys = [digest(f"file {name}") for name in names]
    seen = set()

    def read(pool_ends):
        while not pool_ends:
            seen.add(tuple(execute(database, "select distinct grand_total::text from marts.invoices")))
            time.sleep(0.001)

    ends = []
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, ends)
        warehouse.promote(keys, by="anna", reason="better", at=NOW + 2 * DAY)
        ends.append(True)
        reading.result()

    assert seen <= {(("1.00",),), (("2.00",),)}
    assert totals(database) == [(name, "2.00") for name in names]


def test_two_who_promote_at_once_take_turns(database, warehouse):
    load(warehouse, with_total("119.00"))
    propose(warehouse, with_total("191.00"))

    def promote(who):
        return warehouse.promote([KEY], by=who, reason="right", at=NOW + 2 * DAY)

    with ThreadPoolExecutor(2) as pool:
        decided = [one for some in pool.map(promote, ["anna", "bert"]) for one in some]

    assert [one.version for one in decided] == [2]
    assert totals(database) == [("a.pdf", "191.00")]


def test_proposals_and_decisions_are_in_the_audit_chain(database, warehouse):
    load(warehouse, with_total("119.00"))
    made = with_total("191.00", artifacts={**outcome().artifacts, "manifest": digest("second")})
    propose(warehouse, made)
    warehouse.promote([KEY], by="anna", reason="right", at=NOW + 2 * DAY)
    propose(warehouse, with_total("911.00"), at=NOW + 3 * DAY)
    warehouse.discard([KEY], by="anna", reason="wrong", at=NOW + 4 * DAY)

    noted = "select kind, subject, payload::jsonb ->> 'version' from audit.chain order by sequence"
    assert execute(database, noted) == [
        ("loaded", KEY, "1"),
        ("loaded", KEY, "2"),
        ("proposed", KEY, "2"),
        ("promoted", KEY, "2"),
        ("proposed", KEY, "3"),
        ("discarded", KEY, "3"),
    ]


def test_the_reviewer_may_decide_and_the_analyst_may_not(database, warehouse):
    load(warehouse, with_total("119.00"))
    propose(warehouse, with_total("191.00"))
    for role, may in (("ocr_ops_analyst", False), ("ocr_ops_reviewer", True)):
        with Warehouse(f"{database}?options=-c%20role%3D{role}") as other:
            if may:
                assert other.promote([KEY], by="anna", reason="right", at=NOW + DAY)
            else:
                with pytest.raises(TerminalError, match="permission denied"):
                    other.promote([KEY], by="anna", reason="right", at=NOW + DAY)
