"""What somebody with every right to the store and the database may do to them is found, and named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from audit_builder import NOW, add_document, connection_to
from databases import execute, fresh_database
from ocr_ops.audit import AuditStore, BrokenKind
from ocr_ops.pipeline.proof import prove, write_anchor
from ocr_ops.warehouse import chain, migrate
from ocr_ops.warehouse.chain import ChainEvent, hash_of

pytestmark = pytest.mark.postgres

DOCUMENTS = 6


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
    return [add_document(url, store, number) for number in range(1, DOCUMENTS + 1)]


def tamper(url, *statements):
    """As a superuser who switched the triggers off."""
    execute(url, "set session_replication_role = replica", *statements)


def found(proof):
    return [(one.kind, one.path) for one in proof.broken]


def path_of(store, digest):
    (path,) = (store.place.root / "objects").glob(f"*/{digest.removeprefix('sha256:')}*")
    return path


def test_what_nobody_touched_is_proved_whole(url, store, documents):
    told = []
    write_anchor(store, url, at=NOW)

    proof = prove(store, url, progress=lambda done, total: told.append((done, total)))

    assert proof.ok and proof.broken == ()
    assert (proof.rows, proof.links, proof.manifests, proof.anchors) == (
        DOCUMENTS + 1,
        3 * DOCUMENTS,
        DOCUMENTS,
        1,
    )
    assert proof.objects == 4 * DOCUMENTS == told[-1][0] == told[-1][1]
    assert proof.size_bytes == sum(store.objects().values())


def test_a_flipped_bit_is_found_and_its_object_named(url, store, documents):
    path = path_of(store, documents[2]["record"])
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    assert found(prove(store, url)) == [(BrokenKind.CHANGED, path.relative_to(store.place.root).as_posix())]


def test_a_missing_object_is_named_by_its_link_and_by_the_manifest_that_lists_it(url, store, documents):
    path_of(store, documents[0]["record"]).unlink()

    document, record, manifest = (documents[0][role] for role in ("source", "record", "manifest"))
    proof = prove(store, url)
    assert found(proof) == [
        (BrokenKind.MISSING, f"audit.links/{document}/record"),
        (BrokenKind.MISSING, f"audit.manifests/{manifest}"),
    ]
    assert all(record in one.detail for one in proof.broken)


@pytest.mark.parametrize("row", [1, 3])
def test_a_row_taken_out_of_the_chain_is_found(url, store, documents, row):
    tamper(url, f"delete from audit.chain where sequence = {row}")

    proof = prove(store, url)
    assert found(proof) == [
        (BrokenKind.CHAIN_GAP, f"chain/{row + 1}"),
        (BrokenKind.UNCHAINED, f"audit.manifests/{documents[row - 1]['manifest']}"),
    ]
    assert proof.broken[0].detail == f"row {row} is missing before it"


def test_a_row_taken_out_with_its_gap_closed_is_found(url, store, documents):
    tamper(
        url,
        "delete from audit.chain where sequence = 3",
        "update audit.chain set sequence = sequence - 1 where sequence > 3",
    )

    kinds = found(prove(store, url))
    assert (BrokenKind.CHAIN_LINK, "chain/3") in kinds and (BrokenKind.CHAIN_ROW, "chain/3") in kinds
    assert (BrokenKind.UNCHAINED, f"audit.manifests/{documents[2]['manifest']}") in kinds


def test_a_cut_tail_is_found_by_the_manifests_that_were_loaded(url, store, documents):
    tamper(url, "delete from audit.chain where sequence > 4")

    lost = sorted(f"audit.manifests/{one['manifest']}" for one in documents[4:])
    assert found(prove(store, url)) == [(BrokenKind.UNCHAINED, path) for path in lost]


def test_a_tail_cut_with_everything_that_tells_of_it_is_found_by_the_anchor(url, store, documents):
    data, _ = write_anchor(store, url, at=NOW)
    gone = "', '".join(one["manifest"] for one in documents[4:])
    tamper(
        url,
        "delete from audit.chain where sequence > 4",
        f"delete from audit.manifests where digest in ('{gone}')",
    )
    (anchor,) = (path for path, _ in store.anchors())

    proof = prove(store, url)
    assert found(proof) == [(BrokenKind.ANCHOR, anchor)]
    assert "had 6 rows when this was written and has 4 now" in proof.broken[0].detail

    (store.place.root / anchor).unlink()
    assert prove(store, url).ok
    assert found(prove(store, url, anchors=[("from the safe", data)])) == [
        (BrokenKind.ANCHOR, "from the safe")
    ]


def test_two_exchanged_events_are_found(url, store, documents):
    tamper(
        url,
        "update audit.chain set sequence = 1000 where sequence = 2",
        "update audit.chain set sequence = 2 where sequence = 3",
        "update audit.chain set sequence = 3 where sequence = 1000",
    )

    kinds = found(prove(store, url))
    assert {path for kind, path in kinds if kind is BrokenKind.CHAIN_ROW} == {"chain/2", "chain/3"}
    assert {path for kind, path in kinds if kind is BrokenKind.CHAIN_LINK} == {
        "chain/2",
        "chain/3",
        "chain/4",
    }


def test_a_back_dated_event_is_found(url, store, documents):
    tamper(url, "update audit.chain set at = at - interval '1 year' where sequence = 4")

    assert found(prove(store, url)) == [
        (BrokenKind.CHAIN_ROW, "chain/4"),
        (BrokenKind.CHAIN_TIME, "chain/4"),
    ]


@pytest.mark.parametrize(
    "change",
    ["kind = 'reviewed'", "payload = '{}'", "subject = 'x'", "hash = previous_hash", "payload_digest = hash"],
)
def test_any_changed_column_is_found(url, store, documents, change):
    tamper(url, f"update audit.chain set {change} where sequence = 5")

    assert (BrokenKind.CHAIN_ROW, "chain/5") in found(prove(store, url))


def test_a_chain_that_was_computed_anew_from_a_changed_row_is_found_by_the_anchor(url, store, documents):
    write_anchor(store, url, at=NOW)
    with connection_to(url) as connection:
        rows = list(chain.rows(connection))
        connection.execute(text("set session_replication_role = replica"))
        previous = rows[0].hash
        for row in rows[1:]:
            at = row.at - timedelta(microseconds=1) if row.sequence == 2 else row.at
            own = hash_of(row.sequence, at, row.kind, row.subject, row.payload_digest, previous)
            connection.execute(
                text("update audit.chain set at = :at, previous_hash = :p, hash = :h where sequence = :s"),
                {"at": at, "p": previous, "h": own, "s": row.sequence},
            )
            previous = own
    proof = prove(store, url)
    assert [kind for kind, _ in found(proof)] in (
        [BrokenKind.ANCHOR],
        [BrokenKind.CHAIN_TIME, BrokenKind.ANCHOR],
    )
    assert "written anew" in proof.broken[-1].detail


def test_an_anchor_taken_out_of_the_store_is_missed(url, store, documents):
    write_anchor(store, url, at=NOW)
    (anchor,) = (path for path, _ in store.anchors())
    (store.place.root / anchor).unlink()

    assert found(prove(store, url)) == [(BrokenKind.ANCHOR, anchor)]


@pytest.mark.parametrize("words", [b"", b"[]", b'{"format":"other"}', b'{"format":"ocr-ops anchor 1"}'])
def test_a_file_that_is_no_anchor_is_named(url, store, documents, words):
    assert found(prove(store, url, anchors=[("file", words)])) == [(BrokenKind.ANCHOR, "file")]


def test_a_manifest_row_that_was_removed_is_found(url, store, documents):
    manifest = documents[1]["manifest"]
    tamper(url, f"delete from audit.manifests where digest = '{manifest}'")

    assert found(prove(store, url)) == [(BrokenKind.UNCHAINED, f"audit.manifests/{manifest}")]


def test_a_sample_reads_so_many_objects_and_still_all_of_the_chain(url, store, documents):
    path_of(store, documents[0]["record"]).unlink()
    tamper(url, "delete from audit.chain where sequence = 3")

    proof = prove(store, url, sample=2)
    assert proof.objects == 2
    assert {BrokenKind.CHAIN_GAP, BrokenKind.MISSING} <= {kind for kind, _ in found(proof)}
    assert prove(store, url, sample=1_000).objects == 4 * DOCUMENTS - 1


def test_only_what_was_linked_since_a_day_is_read(url, store, documents):
    proof = prove(store, url, since=NOW + timedelta(days=DOCUMENTS - 1))

    assert proof.ok and proof.objects == 6


def test_erased_bytes_are_no_fault_where_a_tombstone_tells_of_them_and_one_where_they_are_back(
    url, store, documents
):
    record = documents[0]["record"]
    data = store.get(record)
    with connection_to(url) as connection:
        chain.append(
            connection, [ChainEvent("erased", documents[0]["source"], {"digests": [record], "rule": "x"})]
        )

    assert found(prove(store, url)) == [(BrokenKind.ERASED_BUT_THERE, f"chain/{DOCUMENTS + 1}")]
    store.erase(record)
    proof = prove(store, url)
    assert proof.ok and proof.erased == 1
    store.put(data)
    assert found(prove(store, url)) == [(BrokenKind.ERASED_BUT_THERE, f"chain/{DOCUMENTS + 1}")]
