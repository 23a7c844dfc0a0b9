"""A folder looked through again: what looks as before stays closed, whatever changed is opened; and forecasts of runs."""

from __future__ import annotations

import os
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from bench import INVOICE, LONG_AGO_S, Bench, ScriptedEngine, aged, bench, documents, picture, run
from databases import execute
from einvoice_builder import Invoice, cii
from ocr_ops.codec import from_json
from ocr_ops.model import Digest, Status
from ocr_ops.pipeline import listing
from ocr_ops.pipeline.expectations import expect
from ocr_ops.pipeline.journey import Batch, Order
from ocr_ops.pipeline.listing import Look, list_documents, look_through
from ocr_ops.pipeline.planning import forecast, plan, store_batches
from ocr_ops.pipeline.proof import prove
from ocr_ops.settings import OcrEngine
from ocr_ops.warehouse import Warehouse

pytestmark = pytest.mark.postgres


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Two different receipts, one of them twice, and a file that is no document."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    picture(folder, "a.png")
    shutil.copyfile(picture(folder, "b.png"), folder / "copy of b.png")
    (folder / "torn.pdf").write_bytes(b"")
    aged(*folder.iterdir())
    return folder


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Bench:
    return bench(tmp_path, database_url, ScriptedEngine)


def look(shop: Bench, folder: Path) -> Look:
    with Warehouse(shop.settings.database_url) as warehouse:
        return look_through(shop, folder, warehouse=warehouse, open_all=False)


def opened(shop: Bench, folder: Path) -> set[str]:
    return {journey.name for journey in look(shop, folder).opened}


def test_what_was_loaded_stays_closed_the_next_time_and_is_counted(shop: Bench, inbox: Path):
    assert opened(shop, inbox) == {"a.png", "b.png", "copy of b.png", "torn.pdf"}
    run(shop, inbox)

    again = look(shop, inbox)

    assert again.opened == ()
    assert again.found == 4
    assert plan(shop, inbox, Order(), run_id="run 2", dag_id="d") == []


def test_a_batch_for_ocr_servers_holds_at_least_half_of_what_its_task_has_in_flight(
    shop: Bench, tmp_path: Path
):
    folder = tmp_path / "many"
    folder.mkdir()
    one = picture(folder, "0.png").read_bytes()
    for number in range(200):
        (folder / f"{number}.png").write_bytes(one + b"%d" % number)
    aged(*folder.iterdir())

    served = Order(engine=OcrEngine.VLLM)
    batches = plan(shop, folder, served, run_id="run 1", dag_id="d")

    assert shop.settings.ocr_in_flight == 128
    sizes = [len(from_json(Batch, shop.store.get(Digest(one))).documents) for one in batches]
    assert sizes == [64, 64, 64, 8]
    assert forecast(shop, folder, served).batches == 4


def test_a_known_document_that_a_closed_file_holds_is_noted_as_seen(
    shop: Bench, inbox: Path, database_url: str
):
    run(shop, inbox)

    plan(shop, inbox, Order(), run_id="run 2", dag_id="d")

    assert execute(database_url, "select count(*) from ingest.run_documents where run_id = 'run 2'") == [(4,)]


def test_a_file_with_other_bytes_is_opened_even_when_size_and_date_were_put_back(shop: Bench, inbox: Path):
    run(shop, inbox)
    path = inbox / "a.png"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))

    assert opened(shop, inbox) == {"a.png"}


def test_a_link_out_of_the_folder_stays_closed_when_a_fresh_file_of_its_name_is_waited_for(
    shop: Bench, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listing, "QUIET_S", 0.5)
    (inbox / "a.pdf").symlink_to(shutil.copyfile(INVOICE, tmp_path / "secret.pdf"))
    os.utime(inbox / "a.png")

    found = {one.name: one for one in look(shop, inbox).opened}

    assert found["a.png"].problems == ()
    assert found["a.pdf"].source is None
    assert "leads out of the folder" in found["a.pdf"].problems[0].detail


def test_a_copy_of_a_document_whose_file_stays_closed_is_set_aside(
    shop: Bench, inbox: Path, database_url: str
):
    run(shop, inbox)
    shutil.copyfile(inbox / "a.png", inbox / "z.png")
    aged(inbox / "z.png")

    run(shop, inbox, "run 2")

    row = documents(database_url)["z.png"]
    assert row["status"] == Status.QUARANTINED
    assert "the same bytes as a.png" in row["reasons"]


def test_a_document_that_the_warehouse_lost_is_opened_again(shop: Bench, inbox: Path, database_url: str):
    run(shop, inbox)
    execute(database_url, "update ingest.listed set document_key = 'sha256:' || repeat('0', 64) where true")

    assert len(opened(shop, inbox)) == 4


def test_an_einvoice_beside_a_document_belongs_to_it_and_opens_it_when_it_changes(
    tmp_path: Path, shop: Bench
):
    folder = tmp_path / "einvoices"
    folder.mkdir()
    shutil.copyfile(INVOICE, folder / "invoice.pdf")
    (folder / "invoice.xml").write_bytes(cii(Invoice()))
    aged(*folder.iterdir())
    first = look(shop, folder)
    assert {journey.name for journey in first.opened} == {"invoice.pdf"}
    run(shop, folder)
    assert look(shop, folder).found == 1
    assert opened(shop, folder) == set()

    (folder / "invoice.xml").write_bytes(cii(Invoice()) + b"\n")
    aged(folder / "invoice.xml")

    assert opened(shop, folder) == {"invoice.pdf"}


@pytest.mark.parametrize("together", [1, 2, 3, 100])
def test_a_listing_in_parts_finds_what_a_listing_at_once_finds(
    tmp_path: Path, shop: Bench, monkeypatch: pytest.MonkeyPatch, together: int
):
    folder = tmp_path / "einvoices"
    (folder / "below.pdf").mkdir(parents=True)
    for name in ("a.pdf", "b.c.pdf", "below.pdf/z.pdf"):
        shutil.copyfile(INVOICE, folder / name)
    (folder / "b.c.xml").write_bytes(cii(Invoice()))
    for name in ("b.c.pdf.png", "b.c.tx.png", "b.png", "z.png"):
        picture(folder, name)
    aged(*folder.iterdir())
    aged(folder / "below.pdf" / "z.pdf")
    monkeypatch.setattr(listing, "TOGETHER", together)

    found = look(shop, folder).opened

    assert {one.name: one.problems[-1].kind for one in found if one.problems} == {
        "b.c.pdf": "duplicate",
        "below.pdf": "unreadable_file",
        "z.pdf": "duplicate",
    }
    assert [one.name for one in found] == [
        "a.pdf", "b.c.pdf", "b.c.pdf.png", "b.c.tx.png", "b.png", "below.pdf", "z.pdf", "z.png",
    ]  # fmt: skip
    assert [one.name for one in found if one.source and one.source.beside] == ["b.c.pdf"]


@pytest.mark.parametrize("together", [1, 100])
def test_a_copy_in_another_part_than_the_known_document_is_set_aside(
    shop: Bench, inbox: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, together: int
):
    run(shop, inbox)
    monkeypatch.setattr(listing, "TOGETHER", together)
    shutil.copyfile(inbox / "b.png", inbox / "0.png")
    aged(inbox / "0.png")

    run(shop, inbox, "run 2", reprocess=True)

    names = {name for name, row in documents(database_url).items() if "the same bytes" in str(row["reasons"])}
    assert names == {"0.png", "copy of b.png"}


def test_a_limit_takes_the_first_new_ones_and_the_next_run_the_next(shop: Bench, tmp_path: Path):
    folder = tmp_path / "many"
    folder.mkdir()
    for name in "abc":
        picture(folder, f"{name}.png")

    assert run(shop, folder, "run 1", limit=2) == [{"accepted": 2}]
    assert run(shop, folder, "run 2", limit=2) == [{"accepted": 1}]
    assert run(shop, folder, "run 3", limit=2) == []


def test_a_forecast_counts_what_a_run_would_do_and_changes_nothing(
    shop: Bench, inbox: Path, database_url: str
):
    runs = "select count(*) from ingest.runs"

    unknown = expect(shop, inbox, Order())

    assert (unknown.seconds, unknown.cost) == (None, Decimal(0))
    assert "3 documents found" not in unknown.in_words()
    assert execute(database_url, runs) == [(0,)]
    first = forecast(shop, inbox, Order(batch_size=1))
    assert (first.found, first.known, first.new, first.unreadable) == (4, 0, 2, 2)
    assert (first.pages, first.batches) == (2, 4)

    run(shop, inbox)
    picture(inbox, "c.png")
    later = expect(shop, inbox, Order())

    assert (later.forecast.known, later.forecast.new) == (4, 1)
    assert later.seconds is not None
    assert "1 new, 4 known already" in later.in_words()


def test_documents_of_a_source_carry_its_tenant(shop: Bench, inbox: Path, database_url: str):
    run(shop, inbox, tenant="acme")

    assert execute(database_url, "select distinct tenant from marts.documents") == [("acme",)]
    assert {path.name for path in shop.store.place.root.iterdir()} == {"tenants"}  # type: ignore[attr-defined]
    assert prove(shop.store, database_url).ok

    batches = store_batches(shop, Order(), [one for one in list_documents(shop, inbox) if one.source])
    assert [batch.rpartition("@")[2] for batch in batches] == ["acme"]
