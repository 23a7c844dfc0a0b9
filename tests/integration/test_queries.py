"""What analysts and auditors ask is answered from real rows: queries, evidence, reasons, duplicates, quality, cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from databases import execute, fresh_database
from ocr_ops.model import Evidence, Match, Problem, ProblemKind, RuleResult, Stage, Status
from ocr_ops.rows import Extras, ModelCall
from ocr_ops.warehouse import Load, Warehouse, migrate
from ocr_ops.warehouse.migrations import SQL_FOLDER
from outcome_builder import INVOICE, digest, outcome, page, receipt, record, unreadable

pytestmark = pytest.mark.postgres

QUERIES = sorted((SQL_FOLDER / "queries").glob("*.sql"))
NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=40)


def invoice(name, changes=None, **more):
    """An invoice whose record has other values."""
    values = {**INVOICE, "due_date": "2024-04-05", "seller_iban": "DE89370400440532013000", **(changes or {})}
    artifacts = {**outcome(name).artifacts, "llm/attempt/1": digest(f"asked about {name}")}
    held = more.pop("status", Status.ACCEPTED)
    judged = record(values, status=held, readers=("layout/3", "llm/m1/prompt-2"), **more)
    return outcome(name, status=held, record=judged, artifacts=artifacts)


def asked(name):
    """What the warehouse is told about the calls to models for an invoice."""
    call = ModelCall(digest(f"asked about {name}"), Stage.EXTRACT, "llm", "m1", "2", 1000, 200, 2.5)
    return Extras(picture_hashes={1: 0b1011}, calls=(call,))


LINES = [
    {"description": "Bolts", "quantity": "10", "unit_price": "4.40", "tax_rate": "19", "line_total": "44.00"},
    {"description": "Book", "quantity": "1", "unit_price": "56.00", "tax_rate": "7", "line_total": "56.00"},
]
SECOND = {
    "invoice_number": "RE-2024-18",
    "issue_date": "2024-04-02",
    "seller_iban": "DE02120300000000202051",
    "tax_total": "12.28",
    "grand_total": "112.28",
    "line_items": LINES,
}


@pytest.fixture(scope="module")
def month(postgres_server):
    """A small month: two invoices, one of them sent again, a corrected one, a proposal, what is held back, a receipt."""
    unsure = Problem(Stage.VALIDATE, ProblemKind.UNCONFIRMED, "Seen once only.", field="/grand_total")
    with fresh_database(postgres_server.url("postgres")) as url:
        migrate(url)
        with Warehouse(url) as warehouse:
            warehouse.start_run("run 1", trigger="manual", started_at=NOW)
            first = [
                Load(invoice("a.pdf"), asked("a.pdf")),
                Load(invoice("b.pdf", SECOND), asked("b.pdf")),
                Load(receipt()),
                Load(unreadable()),
            ]
            warehouse.load_many(first, run_id="run 1", loaded_at=NOW)
            again = [
                Load(invoice("a again.pdf"), asked("a again.pdf")),
                Load(
                    invoice(
                        "odd.pdf",
                        {"invoice_number": "X1", "grand_total": "120.00", "seller_name": "Other Ltd"},
                        status=Status.NEEDS_REVIEW,
                        problems=(unsure,),
                    )
                ),
            ]
            warehouse.load_many(again, run_id="run 1", loaded_at=LATER)
            corrected = invoice("b.pdf", {**SECOND, "invoice_number": "RE-2024-19"})
            warehouse.load(
                corrected,
                run_id="run 1",
                loaded_at=LATER,
                by="anna",
                reason="misread number",
                extras=asked("b.pdf"),
            )
            proposal = invoice("a.pdf", {"due_date": "2024-04-15"})
            warehouse.propose([Load(proposal)], run_id="run 1", made_at=LATER, reason="a better reader")
            warehouse.finish_run("run 1", finished_at=LATER)
        execute(url, "insert into ingest.prices values ('m1', 'USD', 2, 10, 0)")
        yield url


FOUND = {
    "accepted_a_month_ago": 4,
    "changed_in_the_last_month": 1,
    "cost_by_month_and_model": 2,
    "could_not_be_read": 1,
    "invoices_due": 3,
    "possible_duplicates": 1,
    "price_changes": 1,
    "quality_of_the_last_days": 1,
    "spend_by_party_and_month": 3,
    "spend_by_supplier_all_spellings": 2,
    "suppliers_with_several_accounts": 1,
    "totals_that_do_not_add_up": 1,
    "unpaid_by_due_month": 1,
    "vat_by_rate_and_month": 3,
    "waiting_by_reason": 1,
    "waiting_for_review": 1,
    "waiting_proposals": 1,
    "where_a_total_comes_from": 5,
    "why_a_line_amount": 6,
}


def test_there_is_an_expectation_for_every_example_query():
    assert set(FOUND) == {file.stem for file in QUERIES}


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: file.stem)
def test_an_example_query_finds_what_it_is_for(month, file):
    found = execute(month, "set role ocr_ops_analyst", file.read_text())

    assert len(found) == FOUND[file.stem], found


def ask(url, query):
    return execute(url, "set role ocr_ops_analyst", query)


# --- money ---


def test_tax_by_rate_is_added_up_from_lines_and_confirmed_by_the_total(month):
    found = ask(month, "select rate, taxable, tax, basis from marts.taxes where name = 'b.pdf' order by rate")

    assert found == [
        (Decimal("7"), Decimal("56.00"), Decimal("3.92"), "lines"),
        (Decimal("19"), Decimal("44.00"), Decimal("8.36"), "lines"),
    ]
    assert ask(month, "select rate, taxable, tax, basis from marts.taxes where name = 'a.pdf'") == [
        (None, Decimal("100.00"), Decimal("19.00"), "totals")
    ]


def test_costs_count_an_answer_once_and_in_money(month):
    found = "select sum(requests), sum(prompt_tokens), sum(cost), min(currency) from marts.costs_daily"

    assert ask(month, found) == [(3, 3000, Decimal("0.012000"), "USD")]
    assert ask(month, "select requests, cost from marts.document_costs where name = 'a.pdf'") == [
        (1, Decimal("0.004000"))
    ]


def test_quality_counts_every_document_once_by_what_became_of_it(month):
    sums = "sum(documents), sum(accepted), sum(needs_review), sum(quarantined), sum(corrected)"

    assert ask(month, f"select {sums} from marts.quality_daily") == [(6, 4, 1, 1, 1)]
    assert ask(month, "select distinct prompt_version from marts.quality_daily order by 1") == [
        ("2",),
        (None,),
    ]
    assert ask(month, "select kind, vendor, documents from marts.problems_daily order by 1") == [
        ("encrypted", None, 1),
        ("unconfirmed", "Other Ltd", 1),
    ]


# --- duplicates ---


def duplicates(url):
    return ask(url, "select name, duplicate_of_name, why from marts.possible_duplicates order by 1, 2")


def test_the_later_of_two_like_documents_is_a_problem_and_both_stay(month):
    assert duplicates(month) == [("a again.pdf", "a.pdf", ["same_amount", "same_number", "same_picture"])]
    assert ask(
        month, "select name, reasons, status from marts.documents where name like 'a%' order by 1"
    ) == [
        (
            "a again.pdf",
            "May be the same as a.pdf: pictures that look alike, same seller and number, same seller, amount and date.",
            "accepted",
        ),
        ("a.pdf", None, "accepted"),
    ]
    assert ask(month, "select name from marts.problems where kind = 'possible_duplicate'") == [
        ("a again.pdf",)
    ]


@pytest.fixture
def database(postgres_server):
    with fresh_database(postgres_server.url("postgres")) as url:
        migrate(url)
        with Warehouse(url) as warehouse:
            warehouse.start_run("run 1", trigger="manual", started_at=NOW)
        yield url


def load(url, *loads, at=NOW):
    with Warehouse(url) as warehouse:
        return warehouse.load_many(loads, run_id="run 1", loaded_at=at)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seller_name": "MÜLLER & SÖHNE  GmbH."}, ["same_amount", "same_number"]),
        ({"seller_name": "Somebody else"}, None),
        ({"invoice_number": "RE 2024/17", "grand_total": "119.01"}, ["same_number"]),
        ({"invoice_number": "RE-2024-18"}, ["same_amount"]),
        ({"invoice_number": "RE-2024-18", "issue_date": "2024-03-06"}, None),
    ],
)
def test_what_makes_a_possible_duplicate(database, changes, why):
    load(database, Load(outcome("a.pdf")))
    load(database, Load(outcome("z.pdf", record=record({**INVOICE, **changes}))), at=LATER)

    assert duplicates(database) == ([("z.pdf", "a.pdf", why)] if why else [])


@pytest.mark.parametrize(("bits", "alike"), [(0, True), (10, True), (11, False), (64, False)])
def test_pictures_are_alike_when_few_bits_differ(database, bits, alike):
    def scan(name, number, seller, picture_hash):
        values = {**INVOICE, "invoice_number": number, "seller_name": seller}
        return Load(outcome(name, record=record(values)), Extras(picture_hashes={1: picture_hash}))

    load(database, scan("a.pdf", "1", "Miller", 0))
    other = (1 << bits) - 1 if bits < 64 else -1
    load(database, scan("z.pdf", "2", "Muller", other), at=LATER)

    assert duplicates(database) == ([("z.pdf", "a.pdf", ["same_picture"])] if alike else [])


def test_the_same_bytes_under_a_second_name_are_a_possible_duplicate(database):
    load(database, Load(outcome("a.pdf")))
    copy = unreadable("copy.pdf", ProblemKind.DUPLICATE, digest=digest("file a.pdf"))
    load(database, Load(copy), at=LATER)

    assert duplicates(database) == [("copy.pdf", "a.pdf", ["same_bytes"])]


def test_a_corrected_number_ends_the_suspicion(database):
    load(database, Load(outcome("a.pdf")), Load(receipt()))
    load(database, Load(outcome("z.pdf")), at=LATER)
    assert len(duplicates(database)) == 1

    other = {**INVOICE, "invoice_number": "RE-2024-99", "grand_total": "1190.00"}
    load(database, Load(outcome("z.pdf", record=record(other))), at=LATER)
    assert duplicates(database) == []


# --- evidence ---


def test_evidence_joins_value_page_block_boxes_print_match_and_rules(database):
    load(database, Load(outcome()))

    found = """select value, raw, match, page, block_id, box_grid, box_px, box_pt, picture_digest, rules
        from extraction.evidence where field = '/grand_total'"""
    grid = [Decimal("500.00"), Decimal("900.00"), Decimal("600.00"), Decimal("920.00")]
    points = [Decimal("180.36"), Decimal("648.72"), Decimal("216.36"), Decimal("663.12")]
    rule = {"rule": "net_and_tax_make_gross", "holds": True, "detail": "100.00 + 19.00"}
    assert execute(database, "set role ocr_ops_auditor", found) == [
        (
            "119.00",
            "119,00 EUR",
            "normalised",
            1,
            "p001.b002",
            grid,
            [501, 1802, 601, 1842],
            points,
            digest("picture 1"),
            [rule],
        )
    ]


def test_a_box_on_a_page_that_is_not_there_is_refused_by_the_tables(database):
    load(database, Load(outcome()))

    with pytest.raises(Exception, match="fk_field_boxes_document_key_version_page"):
        execute(database, "update extraction.field_boxes set page = 7")


def why(url, table, key, field):
    found = ask(url, f"select what, says, made_with, digest from marts.why('{table}', '{key}', '{field}')")
    return [what for what, *_ in found], {what: rest for what, *rest in found}


def test_why_leads_from_a_header_field_to_the_bytes_of_the_file(month):
    order, steps = why(month, "invoices", digest("file b.pdf"), "grand_total")

    assert order == [
        "value",
        "record",
        "rule",
        "reply",
        "prompt",
        "reply",
        "block",
        "page picture",
        "source file",
        "manifest",
    ]
    assert steps["value"][0] == "/grand_total = 112.28"
    assert "version 2, accepted" in steps["record"][0]
    assert "by anna: misread number" in steps["record"][0]
    assert steps["prompt"] == ["kept with the reply, llm/attempt/1", "prompt 2", digest("asked about b.pdf")]
    assert steps["page picture"][2] == digest("picture 1")
    assert steps["source file"][2] == digest("file b.pdf")
    assert steps["manifest"][2] == digest("manifest b.pdf")


def test_why_leads_from_a_line_cell_to_its_block(database):
    found = Evidence("/line_items/1/line_total", Match.EXACT, 1, ("p001.b002",), "60.00")
    rule = RuleResult(
        "lines_make_net", True, ("/line_items/0/line_total", "/line_items/1/line_total"), "40 + 60 = 100"
    )
    load(database, Load(outcome(record=record(evidence=(found,), rules=(rule,)))))

    order, steps = why(database, "invoice_lines", "a.pdf/2", "line_total")
    assert order == ["value", "record", "rule", "reply", "block", "page picture", "source file", "manifest"]
    assert steps["value"][:2] == ["/line_items/1/line_total = 60.00", "printed '60.00', match exact"]
    assert steps["rule"][0] == "lines_make_net holds: 40 + 60 = 100"
    assert steps["block"][0].startswith("p001.b002, pixels {501,1802,601,1842}")
    assert steps["reply"][2] == digest("raw 1")


def test_why_of_a_field_that_was_not_read_says_so(database):
    load(database, Load(outcome()))

    order, steps = why(database, "invoice_lines", "a.pdf/9", "line_total")
    assert order == ["value", "record", "source file", "manifest"]
    assert steps["value"] == ["/line_items/8/line_total was not read", None, None]


@pytest.mark.parametrize("key", ["no such document", "''", "%", "", "sha256:", "same name.pdf"])
def test_why_of_no_document_or_of_several_is_empty(database, key):
    load(database, Load(outcome("a.pdf")), Load(outcome("b.pdf")))
    execute(database, "update ingest.documents set name = 'same name.pdf'")

    assert ask(database, f"select * from marts.why('invoices', '{key}', 'grand_total')") == []


def test_a_value_of_an_older_version_keeps_its_own_evidence(database):
    load(database, Load(outcome()))
    moved = replace(page(), blocks=tuple(replace(block, id=f"{block.id}x") for block in page().blocks))
    found = Evidence("/grand_total", Match.EXACT, 1, ("p001.b002x",), "119.00")
    load(database, Load(outcome(pages=(moved,), record=record(evidence=(found,)))), at=LATER)

    blocks = "select version, block_id from extraction.evidence where field = '/grand_total' order by version"
    assert execute(database, blocks) == [(1, "p001.b002"), (2, "p001.b002x")]
    assert ask(database, "select block_id from marts.evidence where field = '/grand_total'") == [
        ("p001.b002x",)
    ]


def test_parties_of_one_name_have_one_key(month):
    found = ask(month, "select distinct role, name_key from marts.parties order by 1, 2")

    assert found == [("seller", "kopitiam"), ("seller", "müllersöhnegmbh")]


def test_dates_are_dates(month):
    assert ask(month, "select distinct due_date from marts.invoices") == [(date(2024, 4, 5),)]


# --- tenants ---


def reader_of(url, role, query):
    return [name for (name,) in execute(url, f"set role {role}", query)]


def test_readers_see_their_tenants_alone_once_any_reader_is_listed(database):
    for tenant, name in (("acme", "a.pdf"), ("other", "b.pdf")):
        with Warehouse(database, tenant=tenant) as warehouse:
            warehouse.load(outcome(name), run_id="run 1", loaded_at=NOW)
    names = "select name from marts.documents order by name"
    assert reader_of(database, "ocr_ops_analyst", names) == ["a.pdf", "b.pdf"]
    role = "reader_" + database.rpartition("_")[2]
    execute(
        database,
        f"create role {role} in role ocr_ops_analyst",
        f"insert into ingest.tenant_readers values ('{role}', 'acme')",
    )
    try:
        migrate(database)
        assert reader_of(database, role, names) == ["a.pdf"]
        assert reader_of(database, role, "select distinct seller_name from marts.invoice_lines") != []
        assert (
            reader_of(database, role, "select what from marts.why('invoices', 'b.pdf', 'grand_total')") == []
        )
        for view in ("invoices", "invoice_lines", "evidence", "possible_duplicates", "document_versions"):
            key = f"select distinct document_key from marts.{view}"
            assert set(reader_of(database, role, key)) <= {digest("file a.pdf")}, view
        assert reader_of(database, "ocr_ops_analyst", names) == []
        for everything in ("ocr_ops_auditor", "ocr_ops_loader"):
            assert len(reader_of(database, everything, "select name from ingest.documents")) == 2
        execute(database, "delete from ingest.tenant_readers")
        migrate(database)
        assert reader_of(database, "ocr_ops_analyst", names) == ["a.pdf", "b.pdf"]
    finally:
        execute(database, "reset role", f"drop role {role}")
