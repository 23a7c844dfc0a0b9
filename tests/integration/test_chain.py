"""The hash chain in Postgres: many writers make one chain, nobody can change it, and anybody can recompute it."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from databases import execute, fresh_database
from ocr_ops.warehouse import chain, migrate
from ocr_ops.warehouse.chain import GENESIS, ChainEvent, Head

pytestmark = pytest.mark.postgres

DOCUMENT = "sha256:" + "d" * 64


@pytest.fixture(scope="module")
def template(postgres_server):
    with fresh_database(postgres_server.url("postgres")) as url:
        migrate(url)
        yield url


@pytest.fixture
def url(postgres_server, template):
    with fresh_database(postgres_server.url("postgres"), template) as url:
        yield url


@pytest.fixture
def engine(url):
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_size=8)
    yield engine
    engine.dispose()


def event(number, kind="loaded"):
    return ChainEvent(kind, DOCUMENT, {"number": number, "who": "Zoë"})


def test_an_empty_chain_ends_at_its_beginning(engine):
    with engine.begin() as connection:
        assert chain.append(connection, []) == chain.head(connection) == Head(0, GENESIS, None)


def test_the_format_is_the_documented_one():
    at = datetime(2026, 11, 21, 10, 26, 20, 123, tzinfo=UTC)
    lines = f"ocr-ops chain 1\n7\n2026-11-21T10:26:20.000123Z\nloaded\n{DOCUMENT}\n{GENESIS}\n{GENESIS}\n"

    found = chain.hash_of(7, at, "loaded", DOCUMENT, GENESIS, GENESIS)

    assert found == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize(
    ("kind", "subject"), [("Loaded", "x"), ("", "x"), ("loaded\n1", "x"), ("loaded", "a\nb"), ("loaded", "")]
)
def test_what_would_make_two_rows_read_alike_is_refused(kind, subject):
    with pytest.raises(ValueError, match="cannot hold"):
        chain.hash_of(1, datetime(2026, 1, 1, tzinfo=UTC), kind, subject, GENESIS, GENESIS)


def test_events_of_one_transaction_follow_each_other(engine):
    with engine.begin() as connection:
        end = chain.append(connection, [event(1), event(2, "reviewed")])
    with engine.connect() as connection:
        first, second = chain.rows(connection)

    assert (first.sequence, first.previous_hash, second.previous_hash) == (1, GENESIS, first.hash)
    assert end == Head(2, second.hash, second.at)
    assert second.payload == '{"number":2,"who":"Zoë"}'
    assert second.payload_digest == "sha256:" + hashlib.sha256(second.payload.encode()).hexdigest()


def test_a_transaction_that_fails_leaves_no_event(engine):
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        chain.append(connection, [event(1)])
        raise ZeroDivisionError

    with engine.connect() as connection:
        assert chain.head(connection) == Head()


def test_eight_writers_at_once_make_one_chain_without_a_gap(engine):
    def write(writer):
        for number in range(10):
            with engine.begin() as connection:
                chain.append(connection, [event(f"{writer}/{number}/{n}") for n in range(5)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with engine.connect() as connection:
        rows = list(chain.rows(connection))

    assert [row.sequence for row in rows] == list(range(1, 401))
    assert [row.previous_hash for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert [row.at for row in rows] == sorted(row.at for row in rows)
    assert len({row.payload for row in rows}) == 400


def test_postgres_alone_computes_the_same_hashes(engine):
    with engine.begin() as connection:
        chain.append(connection, [event(n) for n in range(3)])
        recomputed = connection.scalars(
            text(r"""
            select 'sha256:' || encode(sha256(convert_to(concat_ws(E'\n', 'ocr-ops chain 1', sequence,
              to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), kind, subject,
              'sha256:' || encode(sha256(convert_to(payload, 'UTF8')), 'hex'),
              lag(hash, 1, 'sha256:' || repeat('0', 64)) over (order by sequence)) || E'\n', 'UTF8')), 'hex') = hash
            from audit.chain order by sequence""")
        )
        assert list(recomputed) == [True, True, True]


@pytest.mark.parametrize("table", ["chain", "manifests", "links", "artifacts"])
@pytest.mark.parametrize("change", ["delete from audit.{}", "truncate audit.{} cascade"])
def test_not_even_the_owner_removes_rows(engine, table, change):
    with pytest.raises(DBAPIError, match="only added"), engine.begin() as connection:
        connection.execute(text(change.format(table)))


def test_not_even_the_owner_changes_a_row(engine):
    with engine.begin() as connection:
        chain.append(connection, [event(1)])
    with pytest.raises(DBAPIError, match="only added"), engine.begin() as connection:
        connection.execute(text("update audit.chain set at = at - interval '1 day'"))


def test_the_loader_role_may_add_and_not_change(engine):
    with engine.begin() as connection:
        connection.execute(text("set local role ocr_ops_loader"))
        assert chain.append(connection, [event(1)]).sequence == 1
    for change in ("update audit.chain set kind = 'x'", "delete from audit.chain", "truncate audit.chain"):
        with pytest.raises(DBAPIError, match="permission denied"), engine.begin() as connection:
            connection.execute(text("set local role ocr_ops_loader"))
            connection.execute(text(change))


def test_manifests_from_before_the_chain_begin_it(postgres_server):
    with fresh_database(postgres_server.url("postgres")) as url:
        _migrated_to(url, "0004_record_versions")
        _two_old_manifests(url)
        migrate(url)

        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            rows = list(chain.rows(connection))
            chain.append(connection, [event(1)])
        engine.dispose()

    assert [row.payload for row in rows] == [
        f'{{"content":"{GENESIS}","manifest":"{_digest(n)}","migrated":true,"run":"a \\"run\\""}}'
        for n in (1, 2)
    ]
    for row, before in zip(rows, (GENESIS, rows[0].hash), strict=True):
        payload_digest = "sha256:" + hashlib.sha256(row.payload.encode()).hexdigest()
        assert row.hash == chain.hash_of(row.sequence, row.at, "loaded", DOCUMENT, payload_digest, before)


def _digest(number):
    return f"sha256:{number:064x}"


def _migrated_to(url, revision):
    from alembic import command

    from ocr_ops.warehouse import migrations

    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        connection.execute(text("create schema audit"))
        connection.commit()
        command.upgrade(migrations._config(connection), revision)
        connection.commit()
    engine.dispose()


def _two_old_manifests(url):
    execute(
        url,
        "insert into ingest.runs (run_id, trigger, started_at, params) values ('a \"run\"', 'test', now(), '{}')",
        f"insert into ingest.documents (document_key, uri, name, status, content_digest, first_seen_at, loaded_at, version,"
        f" page_count) values ('{DOCUMENT}', 'file:///x', 'x', 'accepted', '{GENESIS}', now(), now(), 1, 0)",
        *(
            f"insert into audit.artifacts values ('{_digest(n)}', 'manifest', 'application/json', 1, now())"
            for n in (1, 2)
        ),
        *(
            f"insert into audit.manifests values ('{_digest(n)}', '{DOCUMENT}', 'a \"run\"', '{GENESIS}', now())"
            for n in (1, 2)
        ),
    )
