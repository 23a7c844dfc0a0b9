"""Retention removes what the policy names and nothing else, and what was removed stays provable."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from audit_builder import NOW, add_document, connection_to
from databases import execute, fresh_database
from ocr_ops.audit import AuditStore, BrokenKind
from ocr_ops.codec import digest_of
from ocr_ops.pipeline import retention
from ocr_ops.pipeline.proof import prove
from ocr_ops.warehouse import chain, migrate
from ocr_ops.warehouse.chain import ChainEvent

pytestmark = pytest.mark.postgres

TEN_YEARS = b"version: 1\nrules: [{name: ten, doc_types: [invoice], classes: [source, records], years: 10}]\n"
IN_TEN_YEARS = NOW + timedelta(days=3660)


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
def store(tmp_path):
    return AuditStore(tmp_path / "audit")


@pytest.fixture
def documents(url, store):
    return [add_document(url, store, number) for number in (1, 2, 3)]


def retained(store, url, policy, now=NOW):
    planned = retention.plan(store, url, policy, now=now)
    retention.carry_out(store, url, planned, by="a test")
    return planned


def events(url, kind):
    with connection_to(url) as connection:
        return [(row.subject, json.loads(row.payload)) for row in chain.rows(connection) if row.kind == kind]


def test_before_its_time_nothing_is_due(store, url, documents):
    assert retention.plan(store, url, TEN_YEARS, now=NOW + timedelta(days=3600)).due == ()


def test_planning_changes_nothing(store, url, documents):
    before = store.objects(), execute(url, "select count(*) from audit.chain")

    planned = retention.plan(store, url, TEN_YEARS, now=IN_TEN_YEARS)

    assert planned.digests == 6
    assert (store.objects(), execute(url, "select count(*) from audit.chain")) == before


def test_what_is_due_goes_and_stays_provable(store, url, documents):
    size = sum(store.objects()[one[role]] for one in documents for role in ("source", "record"))
    planned = retained(store, url, TEN_YEARS, IN_TEN_YEARS)

    assert planned.size_bytes == size
    for one in documents:
        assert not store.has(one["source"]) and not store.has(one["record"]) and store.has(one["manifest"])
    proof = prove(store, url)
    assert proof.ok and proof.erased == 6
    tombstones = dict(events(url, "erased"))
    assert set(tombstones) == {one["source"] for one in documents}
    for one in documents:
        told = tombstones[one["source"]]
        assert (told["rule"], told["by"], told["roles"]) == ("ten", "a test", ["record", "source"])
        assert set(told["digests"]) == {one["source"], one["record"]}
        assert store.get(told["policy"]) == TEN_YEARS
    ((_, summary),) = events(url, "retained")
    assert (summary["documents"], summary["objects"], summary["bytes"]) == (3, 6, size)


def test_a_second_run_finds_nothing_more(store, url, documents):
    retained(store, url, TEN_YEARS, IN_TEN_YEARS)

    assert retained(store, url, TEN_YEARS, IN_TEN_YEARS).due == ()
    assert len(events(url, "erased")) == 3


def test_a_hold_keeps_its_document_and_is_counted(store, url, documents):
    held = documents[1]["source"]
    policy = TEN_YEARS + f"holds: [{{name: inspection, documents: ['{held}']}}]".encode()

    planned = retained(store, url, policy, IN_TEN_YEARS)

    assert planned.held == {"inspection": 2}
    assert store.has(held) and store.has(documents[1]["record"]) and not store.has(documents[0]["source"])
    assert prove(store, url).ok


def test_what_another_document_needs_stays_until_that_is_due_too(store, url):
    one, other = (add_document(url, store, number, shared=b"terms of trade") for number in (1, 2))

    def request(*documents):
        names = ", ".join(f"'{one['source']}'" for one in documents)
        return f"version: 1\nerasures: [{{name: r, documents: [{names}]}}]".encode()

    assert retained(store, url, request(one)).shared == 1
    assert store.has(one["attachment/1"]) and not store.has(one["source"])
    assert retained(store, url, request(one, other)).shared == 0
    assert not store.has(one["attachment/1"])
    assert prove(store, url).ok


def test_a_request_to_erase_removes_intermediates_that_no_link_leads_to(store, url, documents):
    asked = documents[0]
    policy = f"version: 1\nerasures: [{{name: request 7, documents: ['{asked['source']}']}}]".encode()
    retained(store, url, policy)

    assert not any(store.has(digest) for digest in asked.values())
    assert all(store.has(digest) for one in documents[1:] for digest in one.values())
    assert prove(store, url).ok


def test_a_run_killed_after_its_tombstones_is_reported_and_finished_by_the_next(
    store, url, documents, monkeypatch
):
    planned = retention.plan(store, url, TEN_YEARS, now=IN_TEN_YEARS)

    def killed(digest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(store, "erase", killed)
        retention.carry_out(store, url, planned, by="a test")

    assert [one.kind for one in prove(store, url).broken] == [BrokenKind.ERASED_BUT_THERE] * 6
    assert len(retained(store, url, TEN_YEARS, IN_TEN_YEARS).left_over) == 6
    assert prove(store, url).ok


def test_a_document_that_comes_in_again_after_it_was_erased_is_kept_again(store, url, documents):
    retained(store, url, TEN_YEARS, IN_TEN_YEARS)
    add_document(url, store, 1)

    assert prove(store, url).ok
    assert retention.plan(store, url, b"version: 1", now=IN_TEN_YEARS).left_over == ()
    assert store.has(documents[0]["source"])


def test_a_tombstone_that_was_taken_away_makes_the_bytes_missing_again(store, url, documents):
    retained(store, url, TEN_YEARS, IN_TEN_YEARS)
    execute(url, "set session_replication_role = replica", "delete from audit.chain where kind <> 'loaded'")

    found = prove(store, url).broken
    assert {one.kind for one in found} == {BrokenKind.MISSING}
    assert {digest_of(b"%PDF document 1")} <= {word for one in found for word in one.detail.split()}


def test_an_event_of_another_version_is_no_tombstone(store, url, documents):
    with connection_to(url) as connection:
        chain.append(
            connection, [ChainEvent("erased", "x", {"digests": []}), ChainEvent("new_kind", "x", {"a": 1})]
        )

    assert prove(store, url).ok
