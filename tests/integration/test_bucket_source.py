"""Documents that lie in a bucket: listed, waited for, read, loaded and known again, over HTTP, on a server that speaks S3's API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import INVOICE, Bench, ScriptedEngine, bench, documents, picture, run
from bucket_server import bucket, s3_server, s3_settings
from einvoice_builder import Invoice, cii
from ocr_ops import s3, source
from ocr_ops.errors import ForbiddenFolder, TerminalError, TransientError, UnreadableDocument
from ocr_ops.model import Status
from ocr_ops.pipeline import listing
from ocr_ops.pipeline.listing import look_through
from ocr_ops.s3 import S3Access
from ocr_ops.settings import Limits
from ocr_ops.warehouse import Warehouse

INBOX = "s3://inbox/acme"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def inbox(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in s3_settings(address).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(listing, "QUIET_S", -3600.0)  # objects of a minute ago cannot be made here
    with bucket("inbox") as client:
        yield client
    s3.client.cache_clear()


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Bench:
    return bench(tmp_path, database_url, ScriptedEngine)


def put(inbox: Any, folder: Path, *names: str, below: str = "acme/") -> None:
    for name in names:
        data = INVOICE.read_bytes() if name.endswith(".pdf") else picture(folder, "x.png", name).read_bytes()
        inbox.put_object(Bucket="inbox", Key=f"{below}{name}", Body=data)


def opened(shop: Bench, place: str = INBOX) -> set[str]:
    with Warehouse(shop.settings.database_url) as warehouse:
        return {one.name for one in look_through(shop, place, warehouse=warehouse, open_all=False).opened}


@pytest.mark.postgres
def test_documents_of_a_bucket_are_loaded_under_their_uri_and_stay_there(
    shop: Bench, inbox: Any, tmp_path: Path, database_url: str
):
    put(inbox, tmp_path, "a.png", "june/Büro 1 #2?.png", "bill.pdf")
    before = {one["Key"]: one["ETag"] for one in inbox.list_objects_v2(Bucket="inbox")["Contents"]}

    run(shop, INBOX)

    rows = documents(database_url)
    assert {name: row["uri"] for name, row in rows.items()} == {
        "a.png": "s3://inbox/acme/a.png",
        "Büro 1 #2?.png": "s3://inbox/acme/june/Büro 1 #2?.png",
        "bill.pdf": "s3://inbox/acme/bill.pdf",
    }
    assert {row["status"] for row in rows.values()} <= {Status.ACCEPTED, Status.NEEDS_REVIEW}
    assert {one["Key"]: one["ETag"] for one in inbox.list_objects_v2(Bucket="inbox")["Contents"]} == before


@pytest.mark.postgres
def test_what_was_loaded_stays_closed_until_its_bytes_are_others(
    shop: Bench, inbox: Any, tmp_path: Path, database_url: str
):
    put(inbox, tmp_path, "a.png", "b.png")
    run(shop, INBOX)
    assert opened(shop) == set()

    inbox.delete_object(Bucket="inbox", Key="acme/b.png")
    put(inbox, tmp_path, "b.png.png")
    assert opened(shop) == {"b.png.png"}
    put(inbox, tmp_path, "other.png")
    inbox.copy_object(CopySource="inbox/acme/other.png", Bucket="inbox", Key="acme/a.png")
    assert opened(shop) == {"a.png", "b.png.png", "other.png"}


@pytest.mark.postgres
def test_a_copy_of_an_object_that_was_loaded_is_set_aside(
    shop: Bench, inbox: Any, tmp_path: Path, database_url: str
):
    put(inbox, tmp_path, "a.png")
    run(shop, INBOX)

    copied = {"Bucket": "inbox", "Key": "acme/a.png"}
    inbox.copy_object(CopySource=copied, Bucket="inbox", Key="acme/z copy.png")
    run(shop, INBOX, "run 2")
    assert "the same bytes as a.png" in documents(database_url)["z copy.png"]["reasons"]


def test_an_einvoice_beside_an_object_belongs_to_it(shop: Bench, inbox: Any, tmp_path: Path):
    put(inbox, tmp_path, "invoice.pdf", "invoice.pdf.png")
    inbox.put_object(Bucket="inbox", Key="acme/invoice.xml", Body=cii(Invoice()))

    found = {one.name: one.source.beside for one in look_through(shop, INBOX).opened if one.source}

    assert {name: [part.name for part in beside] for name, beside in found.items()} == {
        "invoice.pdf": ["invoice.xml"],
        "invoice.pdf.png": [],
    }


def test_an_object_put_just_now_is_looked_at_again_and_left_when_it_changed(
    shop: Bench, inbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put(inbox, tmp_path, "a.png", "b.png")
    files = list(source.walk(INBOX))

    def change(_: float) -> None:
        put(inbox, tmp_path, "b.png.png")
        inbox.copy_object(CopySource="inbox/acme/b.png.png", Bucket="inbox", Key="acme/b.png")

    stable, growing = source.wait_until_stable(files, quiet_s=5.0, clock=time.time, sleep=change)

    assert [one.name for one in stable] == ["a.png"]
    assert [one.name for one in growing] == ["b.png"]


def test_hidden_objects_folder_marks_and_other_prefixes_are_passed_over(inbox: Any, tmp_path: Path):
    put(inbox, tmp_path, "a.png", ".hidden.png", ".part/b.png", "scan0001")
    put(inbox, tmp_path, "c.png", below="acme2/")
    for key in ("acme/june/", "acme/notes.txt", "acme/words"):
        inbox.put_object(Bucket="inbox", Key=key, Body=b"")

    assert [one.uri for one in source.walk(INBOX)] == [f"{INBOX}/a.png", f"{INBOX}/scan0001"]
    assert [one.name for one in source.walk(f"{INBOX}/a.png")] == ["a.png"]
    assert list(source.walk("s3://inbox/nothing")) == []


def test_more_objects_than_a_request_lists_come_in_parts(
    shop: Bench, inbox: Any, monkeypatch: pytest.MonkeyPatch
):
    for number in range(1005):
        inbox.put_object(Bucket="inbox", Key=f"acme/{number:04}.png", Body=b"")
    monkeypatch.setattr(listing, "TOGETHER", 500)

    parts = [len(part.opened) for part in listing.looks(shop, INBOX)]

    assert parts == [500, 500, 5]


def test_a_bucket_outside_the_allowed_roots_is_refused(inbox: Any):
    roots = ["/data", "s3://inbox/acme"]

    assert list(source.walk("s3://inbox/acme/june", allowed_roots=roots)) == []
    for place in ("s3://inbox", "s3://inbox/acme2", "s3://other/acme"):
        with pytest.raises(ForbiddenFolder, match="allowed roots"):
            source.walk(place, allowed_roots=roots)


def test_a_bucket_that_is_not_there_and_a_server_that_is_away_are_told_apart(inbox: Any):
    with pytest.raises(TerminalError, match="NoSuchBucket"):
        list(source.walk("s3://nobodys-bucket"))

    away = S3Access("somebody", "something", region="us-east-1", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(TransientError, match="cannot be reached"):
        list(source.walk("s3://inbox", access=away))


def test_an_object_that_goes_away_is_told_when_it_is_opened(inbox: Any, tmp_path: Path):
    put(inbox, tmp_path, "a.png")
    (file,) = source.walk(INBOX)
    inbox.delete_object(Bucket="inbox", Key="acme/a.png")

    with pytest.raises(UnreadableDocument, match="NoSuchKey"):
        source.load_source(file, Limits())
    with pytest.raises(UnreadableDocument, match="no such object"):
        source.load_source(source.found(f"{INBOX}/a.png"), Limits())
