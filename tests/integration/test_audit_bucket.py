"""The audit store in a bucket, over HTTP, on a server that speaks S3's API; and that a folder gives the same answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from ocr_ops.audit import AuditStore, BrokenKind, open_store
from ocr_ops.audit.bucket import Bucket
from ocr_ops.audit.folder import Folder
from ocr_ops.codec import digest_of
from ocr_ops.errors import AuditBroken, TerminalError, TransientError

PAGE = b'{"text": "Total 12.00"}' * 500
PICTURE = b"\x89PNG\x00" + bytes(range(256)) * 20


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(server, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL_S3": server,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", config=Config(max_pool_connections=16))
    client.create_bucket(Bucket="evidence")
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="evidence"):
        names = [{"Key": one["Key"]} for one in page.get("Contents", ())]
        if names:
            client.delete_objects(Bucket="evidence", Delete={"Objects": names})
    client.delete_bucket(Bucket="evidence")
    client.close()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    if request.param == "folder":
        return AuditStore(Folder(tmp_path / "audit"))
    return AuditStore(Bucket("evidence", "ocr-ops/audit", client=request.getfixturevalue("s3")))


def test_a_folder_and_a_bucket_keep_the_same_things_under_the_same_names(store):
    page, picture, key = store.put(PAGE), store.put(PICTURE), digest_of(b"key")
    store.remember(key, page)
    store.put_anchor("2026-11-21", b"{}")

    assert store.put(PAGE) == page
    assert (store.get(page), store.get(picture)) == (PAGE, PICTURE)
    assert (store.size_of(page), store.size_of(picture)) == (len(PAGE), len(PICTURE))
    assert store.find(key) == page and store.find(digest_of(b"other")) is None
    names = {entry.name.rpartition("/")[2] for entry in store.place.entries("objects")}
    assert names == {page.removeprefix("sha256:") + ".zst", picture.removeprefix("sha256:")}
    assert store.anchors() == [("anchors/2026-11-21.json", b"{}")]
    assert store.verify() == []
    assert store.erase(page) and not store.has(page)
    with pytest.raises(AuditBroken, match="is not in the audit store"):
        store.get(page)
    assert [one.kind for one in store.verify()] == [BrokenKind.DANGLING_KEY]


def test_what_is_there_is_never_overwritten(store):
    store.place.add("objects/ab/x", b"first")
    store.place.add("objects/ab/x", b"first")

    assert store.place.read("objects/ab/x") == b"first"


def test_an_object_of_another_size_is_reported_and_stays(store):
    digest = digest_of(PICTURE)
    store.place.add(f"objects/{digest[7:9]}/{digest[7:]}", b"torn")

    with pytest.raises(AuditBroken, match="4 bytes"):
        store.put(PICTURE)
    assert [one.kind for one in store.verify()] == [BrokenKind.CHANGED]


def test_many_writers_of_the_same_bytes_agree(store):
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(store.put, [PAGE, PICTURE] * 20))

    assert set(store.objects()) == digests == {digest_of(PAGE), digest_of(PICTURE)}
    assert store.verify() == []


def test_a_bucket_refuses_the_second_of_two_different_writers(s3):
    bucket = Bucket("evidence", client=s3)
    bucket.add("objects/ab/x", b"first")
    bucket.add("objects/ab/x", b"second")

    assert bucket.read("objects/ab/x") == b"first"


def test_the_uri_names_bucket_and_prefix_and_the_environment_the_server(s3):
    store = open_store("s3://evidence/year/2026")
    digest = store.put(b"x")

    found = s3.list_objects_v2(Bucket="evidence")["Contents"]
    assert [one["Key"] for one in found] == [f"year/2026/objects/{digest[7:9]}/{digest[7:]}"]
    assert AuditStore(Bucket("evidence", client=s3)).objects() == {}
    store.place.close()


def test_more_objects_than_one_answer_lists_are_all_listed(s3):
    bucket = Bucket("evidence", client=s3)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: bucket.add(f"objects/ab/{n:05}", b"x"), range(1_005)))

    assert [entry.name for entry in bucket.entries("objects")] == [f"objects/ab/{n:05}" for n in range(1_005)]


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(TerminalError, match=r"s3://nowhere refused: NoSuchBucket"):
        Bucket("nowhere", client=s3).add("objects/ab/x", b"x")


def test_a_server_that_is_not_there_is_worth_another_try():
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        config=config,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    with pytest.raises(TransientError, match="cannot be reached"):
        AuditStore(Bucket("evidence", client=client)).put(b"x")
    client.close()


def test_tenants_keep_their_things_apart_and_the_whole_store_has_them_all(store):
    acme, other = store.for_tenant("acme"), store.for_tenant("other")
    shared, key = digest_of(PAGE), digest_of(b"key")
    store.put(PAGE)
    own = acme.put(PICTURE)
    acme.put(PAGE)
    acme.remember(key, own)

    assert {name.name.split("/objects/")[0] for name in store.place.entries("tenants")} == {
        "tenants/acme",
        f"tenants/acme/keys/{key[7:9]}/{key[7:]}",
    }
    assert (acme.find(key), other.find(key), store.find(key)) == (own, None, None)
    assert (acme.has(own), other.has(own), store.has(own)) == (True, False, True)
    assert (acme.get(shared), other.get(shared), store.get(own)) == (PAGE, PAGE, PICTURE)
    assert (other.has_own(shared), acme.has_own(shared)) == (False, True)
    assert set(store.objects()) == {own, shared}
    assert store.verify() == []
    assert (store.stats().objects, store.stats().keys) == (3, 1)
    with pytest.raises(AuditBroken):
        other.get(own)

    assert store.erase(shared)
    assert not acme.has(shared)
    assert [one.kind for one in store.verify()] == []


def test_what_was_changed_below_a_tenant_is_found(tmp_path):
    store = AuditStore(Folder(tmp_path))
    store.for_tenant("acme").put(PICTURE)
    (path,) = (one for one in (tmp_path / "tenants").rglob("*") if one.is_file())
    path.chmod(0o600)
    path.write_bytes(PICTURE[:-1])
    (tmp_path / "tenants" / "acme" / "notes.txt").write_text("?")

    assert {one.kind for one in store.verify()} == {BrokenKind.CHANGED, BrokenKind.FOREIGN}


def test_a_tenant_that_came_after_the_store_was_opened_is_found(store):
    assert not store.has(digest_of(PICTURE))

    own = store.for_tenant("late").put(PICTURE)

    assert store.get(own) == PICTURE
