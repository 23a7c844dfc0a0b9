"""The database is what the migrations, the views and the role files say, and says itself what it is."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, make_url
from typer.testing import CliRunner

from databases import execute, fresh_database
from ocr_ops.cli.main import app
from ocr_ops.errors import SettingsError, TerminalError, WarehouseUnavailable
from ocr_ops.tables import SCHEMAS, metadata
from ocr_ops.warehouse import Warehouse, check, current, migrate, migrations
from outcome_builder import outcome, receipt, unreadable

pytestmark = pytest.mark.postgres

VIEW_FILES = sorted((migrations.SQL_FOLDER / "views").glob("*.sql"))
VIEWS = {f"views/{file.stem}" for file in VIEW_FILES}

REVISIONS = [file.stem for file in sorted((migrations.SQL_FOLDER / "migrations" / "versions").glob("*.py"))]
"""Every migration, oldest first: they are numbered."""


@pytest.fixture(scope="module")
def server_url(postgres_server):
    return postgres_server.url("postgres")


@pytest.fixture
def empty(server_url):
    with fresh_database(server_url) as url:
        yield url


@pytest.fixture(scope="module")
def migrated(server_url):
    with fresh_database(server_url) as url:
        migrate(url)
        yield url


@pytest.fixture
def sql_copy(tmp_path, monkeypatch):
    folder = tmp_path / "sql"
    shutil.copytree(migrations.SQL_FOLDER, folder)
    monkeypatch.setattr(migrations, "SQL_FOLDER", folder)
    return folder


def test_migrating_from_nothing_applies_everything_and_again_nothing(empty):
    assert current(empty) is None

    applied = migrate(empty)

    assert applied[: len(REVISIONS)] == REVISIONS
    assert set(applied[len(REVISIONS) :]) == VIEWS
    assert current(empty) == REVISIONS[-1]
    assert migrate(empty) == []


def test_migrating_again_makes_no_view_again(migrated):
    rules = "select ev_class::regclass::text, oid, xmin::text from pg_rewrite where rulename = '_RETURN' order by 2"
    before = execute(migrated, rules)

    assert migrate(migrated) == []
    assert execute(migrated, rules) == before


def test_two_migrators_at_once_take_turns(empty):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(migrate, [empty, empty])

    assert sorted([len(first), len(second)]) == [0, len(REVISIONS) + len(VIEWS)]
    assert check(empty) == []


def test_the_migrated_database_equals_the_declared_tables(migrated):
    assert check(migrated) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("alter table ingest.documents drop column media_type", "media_type"),
        ("alter table extraction.invoices alter column currency type text", "currency"),
        ("alter table extraction.invoices add column extra int", "extra"),
        (
            "alter table extraction.receipts drop constraint ck_receipts_total_is_sane",
            "ck_receipts_total_is_sane",
        ),
        ("drop index audit.ix_links_digest", "ix_links_digest"),
        ("create table audit.surprise (id int)", "surprise"),
        ("comment on column ingest.pages.dpi is 'something else'", "dpi"),
    ],
)
def test_drift_is_named(server_url, migrated, change, words):
    with fresh_database(server_url, template=migrated) as url:
        execute(url, "drop schema marts cascade", change)

        assert any(words in difference for difference in check(url))


def test_migrations_and_declarations_make_the_same_catalog(server_url, migrated):
    with fresh_database(server_url) as declared:
        execute(declared, *(f"create schema {name}" for name in SCHEMAS))
        engine = create_engine(declared)
        metadata.create_all(engine)
        engine.dispose()

        for ours, theirs in zip(_catalog(declared), _catalog(migrated), strict=True):
            assert set(ours) ^ set(theirs) == set()


def _catalog(url):
    constraints = """
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where connamespace::regnamespace::text in ('ingest', 'extraction', 'audit')
          and conrelid <> coalesce(to_regclass('audit.schema_version')::oid, 0) order by 1, 2"""
    indexes = """
        select schemaname, indexname, indexdef from pg_indexes
        where schemaname in ('ingest', 'extraction', 'audit') and tablename <> 'schema_version' order by 1, 2"""
    columns = """
        select table_schema, table_name, column_name, ordinal_position, data_type, is_nullable, column_default,
          character_maximum_length, numeric_precision, numeric_scale from information_schema.columns
        join information_schema.tables using (table_schema, table_name)
        where table_schema in ('ingest', 'extraction', 'audit') and table_name <> 'schema_version'
          and table_type = 'BASE TABLE'
        order by 1, 2, 4"""
    return [execute(url, query) for query in (constraints, indexes, columns)]


def test_every_schema_table_view_column_and_function_has_a_comment(migrated):
    silent = """
        select format('%s.%s', c.oid::regclass, a.attname) from pg_class c
        left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'v') and c.relnamespace::regnamespace::text in ('ingest', 'extraction', 'audit', 'marts')
          and (obj_description(c.oid, 'pg_class') is null or col_description(c.oid, a.attnum) is null)
        union all select oid::regprocedure::text from pg_proc
        where pronamespace::regnamespace::text in ('marts', 'extraction') and obj_description(oid, 'pg_proc') is null
        union all select nspname from pg_namespace
        where nspname in ('ingest', 'extraction', 'audit', 'marts') and obj_description(oid, 'pg_namespace') is null"""

    assert execute(migrated, silent) == []


# --- from every earlier revision, with data in it ---

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
TWIN = "twin.pdf"
"""A document with the seller, number, amount and date of another."""

WHAT_OLD_RELEASES_KNEW = {
    "0001_ingest": (
        "ingest.runs",
        "ingest.documents",
        "ingest.sightings",
        "ingest.run_documents",
        "ingest.pages",
    ),
    "0002_extraction": (
        "extraction.records",
        "extraction.problems",
        "extraction.fields",
        "extraction.field_boxes",
        "extraction.rule_results",
        "extraction.invoices",
        "extraction.invoice_lines",
        "extraction.receipts",
        "extraction.receipt_lines",
    ),
    "0003_audit": ("audit.artifacts", "audit.links", "audit.manifests"),
}
"""Tables that each of the first revisions made. Data for them is taken from a database of today."""


def documents():
    return [outcome(), receipt(), unreadable(), outcome(TWIN)]


@pytest.fixture(scope="module")
def loaded(server_url, migrated):
    with fresh_database(server_url, template=migrated) as url:
        with Warehouse(url) as warehouse:
            warehouse.start_run("run 1", trigger="manual", started_at=NOW)
            for made in documents():
                warehouse.load(made, run_id="run 1", loaded_at=NOW)
        yield url


def _at_revision(url, revision, sql_copy, monkeypatch):
    """Bring an empty database to an earlier revision, as the release that ended there did."""
    for folder in ("views", "roles"):
        shutil.rmtree(sql_copy / folder)
    for file in (sql_copy / "migrations" / "versions").glob("*.*"):
        if file.stem > revision:
            file.unlink()
    migrate(url)
    monkeypatch.undo()


def _copy_what_fits(source, target, revision):
    """Copy the tables and columns that the old release had; rows that only later releases make stay behind."""
    for table in _tables_at(revision):
        schema, _, name = table.partition(".")
        columns = execute(
            target,
            f"select column_name from information_schema.columns where table_schema = '{schema}'"
            f" and table_name = '{name}' order by ordinal_position",
        )
        if not columns:
            continue
        names = ", ".join(column for (column,) in columns)
        old = table == "extraction.records" and "version" not in names.split(", ")
        known = f"from {table}{' where record_digest is not null' if old else ''}"
        rows = execute(source, f"select coalesce(json_agg(t), '[]')::text from (select {names} {known}) t")
        quoted = rows[0][0].replace("'", "''").replace(":", "\\:")
        populated = f"json_populate_recordset(cast(null as {table}), '{quoted}')"
        execute(target, f"insert into {table} ({names}) select {names} from {populated}")


def _tables_at(revision):
    if revision <= "0003_audit":
        return [
            table for known, some in WHAT_OLD_RELEASES_KNEW.items() if known <= revision for table in some
        ]
    return [table.fullname for table in metadata.sorted_tables]


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_database_of_every_earlier_revision_with_data_becomes_todays(
    empty, loaded, sql_copy, monkeypatch, revision
):
    _at_revision(empty, revision, sql_copy, monkeypatch)
    _copy_what_fits(loaded, empty, revision)

    migrate(empty)

    assert check(empty) == []
    today = "select document_key, name, status, version, page_count from marts.documents order by name"
    assert execute(empty, today) == execute(loaded, today)
    if revision >= "0002_extraction":
        for view in (
            "invoices_all",
            "invoice_lines_all",
            "receipts_all",
            "evidence",
            "parties_all",
            "taxes_all",
        ):
            rows = f"select v::text from marts.{view} v order by 1"
            assert execute(empty, rows) == execute(loaded, rows), view
        pairs = "select name, duplicate_of_name, why from marts.possible_duplicates"
        assert execute(empty, pairs) == execute(loaded, pairs) != []
    believed = f"select name, total from marts.as_of('{NOW.isoformat()}') order by name"
    assert [name for name, _ in execute(empty, believed)] == ["a.pdf", "r.png", TWIN, "x.pdf"]


@pytest.mark.parametrize("revision", ["0003_audit", REVISIONS[-2]])
def test_after_an_upgrade_the_same_documents_again_change_nothing(
    empty, loaded, sql_copy, monkeypatch, revision
):
    _at_revision(empty, revision, sql_copy, monkeypatch)
    _copy_what_fits(loaded, empty, revision)
    migrate(empty)

    with Warehouse(empty) as warehouse:
        again = [warehouse.load(made, run_id="run 1", loaded_at=NOW).changed for made in documents()]
    assert again == [False] * 4


# --- views ---


def test_a_changed_view_is_made_again(migrated, server_url, sql_copy):
    view = sql_copy / "views" / "10_documents.sql"
    view.write_text(view.read_text().replace("d.name,", "d.name,\n  upper(d.name) as shouted,", 1))
    with fresh_database(server_url, template=migrated) as url:
        assert set(migrate(url)) == VIEWS
        assert execute(url, "select shouted from marts.documents") == []
        assert execute(url, "set role ocr_ops_analyst", "select shouted from marts.documents") == []


def test_a_view_somebody_built_on_ours_is_not_dropped(migrated, server_url, sql_copy):
    view = sql_copy / "views" / "10_documents.sql"
    view.write_text(view.read_text().replace("  d.doc_type,\n", "", 1))
    with fresh_database(server_url, template=migrated) as url:
        execute(url, "create view public.theirs as select doc_type from marts.documents")

        with pytest.raises(TerminalError, match="2BP01"):
            migrate(url)
        assert execute(url, "select * from public.theirs") == []


def test_a_view_file_that_holds_something_else_is_refused(empty, sql_copy):
    (sql_copy / "views" / "99_wrong.sql").write_text("drop table ingest.documents;")

    with pytest.raises(TerminalError, match="create or replace view"):
        migrate(empty)


# --- roles ---


def _may_read(url, role, relation):
    try:
        execute(url, f"set role {role}", f"select * from {relation} limit 1")
    except Exception as problem:
        assert "permission denied" in str(problem)
        return False
    return True


def test_the_analyst_reads_marts_and_nothing_else(migrated):
    views = execute(migrated, "select 'marts.' || viewname from pg_views where schemaname = 'marts'")

    assert len(views) == len([file for file in VIEW_FILES if "replace view marts." in file.read_text()])
    assert all(_may_read(migrated, "ocr_ops_analyst", view) for (view,) in views)
    assert not any(
        _may_read(migrated, "ocr_ops_analyst", table) for table in [*metadata.tables, "audit.schema_version"]
    )


@pytest.mark.parametrize("change", ["delete from {}", "update {} set digest = digest"])
@pytest.mark.parametrize("table", ["audit.artifacts", "audit.links", "audit.manifests"])
def test_the_loader_can_only_add_to_the_audit_tables(migrated, table, change):
    with pytest.raises(Exception, match="permission denied"):
        execute(migrated, "set role ocr_ops_loader", change.format(table))


@pytest.mark.parametrize("role", ["ocr_ops_loader", "ocr_ops_reviewer"])
@pytest.mark.parametrize(
    "change",
    [
        "delete from extraction.records",
        "update extraction.records set values = '{}'",
        "update extraction.fields set value = '0'",
        "update extraction.invoices set grand_total = 0",
        "delete from ingest.pages",
        "update ingest.prices set per_hour = 0",
    ],
)
def test_nobody_rewrites_what_was_read(migrated, role, change):
    with pytest.raises(Exception, match="permission denied"):
        execute(migrated, f"set role {role}", change)


def test_the_auditor_reads_everything_and_writes_nothing(migrated):
    views = execute(
        migrated,
        "select schemaname || '.' || viewname from pg_views where schemaname in ('marts', 'extraction')",
    )

    for relation in [*metadata.tables, *(view for (view,) in views), "audit.schema_version"]:
        assert _may_read(migrated, "ocr_ops_auditor", relation), relation
        for right in ("insert", "update", "delete", "truncate"):
            asked = f"select has_table_privilege('ocr_ops_auditor', '{relation}', '{right}')"
            assert execute(migrated, asked) == [(False,)], relation


def test_roles_have_no_login_and_no_password(migrated):
    roles = (
        "select rolname, rolcanlogin, rolpassword from pg_authid where rolname like 'ocr_ops_%' order by 1"
    )

    names = ["ocr_ops_analyst", "ocr_ops_auditor", "ocr_ops_loader", "ocr_ops_reviewer"]
    assert execute(migrated, roles) == [(name, False, None) for name in names]


def test_a_user_who_may_not_make_roles_is_told_and_can_go_on(server_url, sql_copy, caplog):
    roles = sql_copy / "roles" / "10_make_roles.sql"
    roles.write_text(roles.read_text().replace("'ocr_ops_", "'nowhere_"))
    with fresh_database(server_url) as url:
        name = make_url(url).database
        execute(
            url,
            f"create role owner_{name} login password 'test'",
            f"grant create on database {name} to owner_{name}",
        )
        try:
            owner = make_url(url).set(username=f"owner_{name}", password="test")
            applied = migrate(owner.render_as_string(hide_password=False))
        finally:
            execute(url, f"drop owned by owner_{name}", f"drop role owner_{name}")

    assert len(applied) == len(REVISIONS) + len(VIEWS)
    assert "role nowhere_analyst is missing" in caplog.text


# --- from the command line ---


def test_the_command_line_says_where_the_database_stands_and_whether_it_drifted(
    server_url, migrated, monkeypatch
):
    def run(*words):
        return CliRunner().invoke(app, ["db", *words])

    with fresh_database(server_url, template=migrated) as url:
        monkeypatch.setenv("OCR_OPS_DATABASE_URL", url)
        assert run("current").stdout.strip() == REVISIONS[-1]
        assert run("check").exit_code == 0
        execute(url, "drop schema marts cascade", "alter table extraction.invoices add column extra int")
        drifted = run("check")
    assert (drifted.exit_code, "extra" in drifted.stdout) == (1, True)


# --- what can be wrong ---


def test_a_database_newer_than_this_program_is_left_alone(server_url, migrated):
    with fresh_database(server_url, template=migrated) as url:
        execute(url, "update audit.schema_version set version_num = '9999_future'")

        with pytest.raises(TerminalError, match="newer than this ocr-ops"):
            migrate(url)
        assert current(url) == "9999_future"


def test_a_migration_that_fails_leaves_the_ones_before_it(empty, sql_copy):
    (sql_copy / "migrations" / "versions" / "0003_audit.sql").write_text(
        "create table audit.half (); select 1/0;"
    )

    with pytest.raises(TerminalError, match="division by zero"):
        migrate(empty)
    assert current(empty) == "0002_extraction"
    assert execute(empty, "select to_regclass('audit.half')::text") == [(None,)]


def test_a_server_that_is_not_there_may_be_there_later():
    with pytest.raises(WarehouseUnavailable):
        migrate("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["sqlite:///x.db", "no url at all", ""])
def test_a_url_that_is_not_postgres_is_a_wrong_setting(url):
    with pytest.raises(SettingsError):
        migrate(url)
