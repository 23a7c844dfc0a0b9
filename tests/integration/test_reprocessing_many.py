"""Two hundred documents processed again with a changed schema: no OCR, the right differences, promoted between two looks.

The OCR engine is the real client before a counting server. The documents are read and loaded once for all tests; each
test has a database of its own, copied from that one.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import create_engine, text

from bench import Bench, aged, bench, run
from databases import execute, fresh_database
from fake_model_server import Answer, FakeModelServer, reply
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.choosing import Choice
from ocr_ops.pipeline.planning import batch_of, store_plan
from ocr_ops.pipeline.reprocessing import decide, plan_again, report
from ocr_ops.schemas import FOLDER
from ocr_ops.warehouse import chain

pytestmark = pytest.mark.postgres

MANY, IN_A_BATCH = 200, 50
PAID_IN_CASH = range(0, MANY, 3)
"""Numbers of the till rolls that say how they were paid."""
FORM: dict[str, Any] = {"stage": "extract", "batch_size": IN_A_BATCH, "reason": "a new schema"}
RECEIPTS = Choice(doc_type="receipt")
STANDS = """
select (select count(*) from marts.documents where version = 1), (select count(*) from marts.documents where version = 2),
  (select count(*) from marts.receipts where payment_method is not null)
"""
"""How many documents stand at their first and their second version, and how many receipts say how they were paid."""


def roll(number: int) -> Answer:
    """What the model says of the till roll with this number."""
    vendor = "OLD MILL BAKERY" if number % 4 == 0 else "RIVERSIDE CAFE"
    lines = [
        vendor,
        f"{13 + number % 16}/03/2025",
        f"SUBTOTAL {number + 10}.00",
        "VAT 2.00",
        f"TOTAL {number + 12}.00",
    ]
    lines += [f"CASH {number + 12}.00"] if number in PAID_IN_CASH else []
    place = "<|ref|>text<|/ref|><|det|>[[60, {0}, 600, {1}]]<|/det|>\n{2}"
    return reply(
        "\n".join(place.format(100 * at, 100 * at + 40, line) for at, line in enumerate(lines, start=1))
    )


def answered(body: dict[str, Any]) -> Answer:
    """The reply to a picture, whose colour is its number."""
    shown = body["messages"][0]["content"][0]["image_url"]["url"]
    with Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2]))) as image:
        return roll(image.convert("RGB").getpixel((100, 100))[0])


@dataclass(frozen=True, slots=True)
class Site:
    """Two hundred documents that were loaded, and the server that read them."""

    shop: Bench
    server: FakeModelServer

    @property
    def url(self) -> str:
        return self.shop.settings.database_url

    def again(self, run_id: str = "again", choice: Choice = RECEIPTS, **form: Any) -> list[dict[str, int]]:
        """Process documents again as the DAG does; the counts of every batch."""
        shop = self.shop
        planned = plan_again(shop, choice, FORM | form, run_id=run_id, dag_id="reprocess_documents")
        plan = store_plan(shop, planned.batches)
        read = (batches.read_batch(shop, batch_of(shop, plan, n)) for n in range(len(planned.batches)))
        extracted = (batches.extract_batch(shop, batch) for batch in read)
        return [batches.load_batch(shop, batch, run_id=run_id, propose=True) for batch in extracted]

    def chosen(self, **choice: Any) -> int:
        """How many documents fit."""
        return plan_again(self.shop, Choice(**choice), FORM, run_id="chosen", dag_id="d").documents


@pytest.fixture(scope="module")
def server() -> Iterator[FakeModelServer]:
    with FakeModelServer([answered]) as made:
        yield made


@pytest.fixture(scope="module")
def loaded(
    postgres_server: LocalPostgres, server: FakeModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("many")
    (folder / "inbox").mkdir()
    for number in range(MANY):
        place = folder / "inbox" / f"{number:03}.png"
        Image.new("RGB", (320, 400), (number, 250, 250)).save(place)
        aged(place)
    with fresh_database(postgres_server.url("postgres")) as url:
        shop = bench(folder, url, ocr_engine="vllm", ocr_urls=server.url, ocr_model="served-model")
        run(shop, folder / "inbox", doc_type="receipt", batch_size=IN_A_BATCH)
        days = "interval '1 day' * substr(name, 1, 3)::int"
        execute(
            url, f"update ingest.documents set first_seen_at = timestamptz '2026-01-01 00:00+00' + {days}"
        )
        yield Site(shop, server)


@pytest.fixture
def site(postgres_server: LocalPostgres, loaded: Site) -> Iterator[Site]:
    with fresh_database(postgres_server.url("postgres"), template=loaded.url) as url:
        yield replace(
            loaded, shop=replace(loaded.shop, settings=replace(loaded.shop.settings, database_url=url))
        )


@pytest.fixture
def changed(site: Site, tmp_path: Path) -> Site:
    """The same with a newer schema of receipts, which does not ask how they were paid."""
    folder = tmp_path / "schemas"
    shutil.copytree(FOLDER, folder)
    newest = max((folder / "receipt").glob("v*.schema.json"))
    number = int(newest.name.split(".")[0][1:])
    schema = json.loads(newest.read_text())
    schema["properties"].pop("payment_method")
    words = json.dumps(schema).replace(f"/v{number}", f"/v{number + 1}")
    (folder / "receipt" / f"v{number + 1}.schema.json").write_text(words)
    return replace(site, shop=replace(site.shop, schema_folder=folder))


def month(number: int) -> datetime:
    return datetime(2026, number, 1, tzinfo=UTC)


def test_a_changed_schema_asks_no_ocr_server_and_tells_every_difference_and_no_other(
    changed: Site, server: FakeModelServer
):
    assert len(server.chats) == MANY
    before = execute(changed.url, "select name, payment_method from marts.receipts order by 1")

    counts = changed.again()

    assert counts == [{"proposed": IN_A_BATCH}] * (MANY // IN_A_BATCH)
    assert len(server.chats) == MANY
    told = report(changed.shop, run_id="again")
    rows = list(csv.DictReader(io.StringIO(changed.shop.store.get(told.table).decode())))
    expected = [(f"{n:03}.png", "/payment_method", f"CASH {n + 12}.00", "") for n in PAID_IN_CASH]
    assert [(row["name"], row["field"], row["old_value"], row["new_value"]) for row in rows] == expected
    assert told.words.startswith(
        "200 documents processed again. 67 would change in values: `/payment_method` (67). "
        "133 would only get a new version of what made them."
    )
    assert execute(changed.url, "select name, payment_method from marts.receipts order by 1") == before


def test_readers_see_all_of_a_promotion_or_nothing_of_it(changed: Site):
    changed.again()
    old, new = (MANY, 0, len(PAID_IN_CASH)), (0, MANY, 0)
    seen: set[tuple[Any, ...]] = set()
    promoted = threading.Event()

    def look_again_and_again() -> None:
        while not promoted.is_set():
            seen.update(execute(changed.url, STANDS))

    engine = create_engine(changed.url)
    with ThreadPoolExecutor(2) as pool, engine.connect() as turnstile:
        reader = pool.submit(look_again_and_again)
        # the chain's lock is what a promotion takes last: it has written everything when it waits for it
        turnstile.execute(text(f"select pg_advisory_xact_lock({chain._LOCK})"))
        promoting = pool.submit(decide, changed.shop, run_id="again", what="promote", by="ann", reason="ok")
        while not execute(changed.url, "select from pg_locks where locktype = 'advisory' and not granted"):
            assert not promoting.done(), promoting.result()
        assert execute(changed.url, STANDS) == [old]
        turnstile.rollback()
        assert promoting.result() == MANY
        assert execute(changed.url, STANDS) == [new]
        promoted.set()
        reader.result()
    engine.dispose()
    assert old in seen <= {old, new}


def test_from_the_reading_on_another_model_reads_the_chosen_documents_alone(
    site: Site, server: FakeModelServer
):
    other = replace(site.shop, settings=replace(site.shop.settings, ocr_model="another-model"))
    before = len(server.chats)

    counts = replace(site, shop=other).again(choice=Choice(since=month(2), limit=7), stage="read")

    assert sum(sum(count.values()) for count in counts) == 7
    assert len(server.chats) - before == 7


def test_documents_are_chosen_by_vendor_date_status_engine_and_version_of_the_schema(site: Site):
    newest = max(int(file.name.split(".")[0][1:]) for file in (FOLDER / "receipt").glob("v*.schema.json"))
    held = "update ingest.documents set status = 'needs_review' where name < '010'"
    execute(site.url, held, "update extraction.records set schema_version = 0 where version = 1 and document_key in "
            "(select document_key from ingest.documents where name >= '195.png')")  # fmt: skip

    assert site.chosen(vendor="old mill") == MANY / 4
    assert site.chosen(since=month(2), until=month(3)) == 28
    assert site.chosen(engine="vllm", statuses=("needs_review",)) == 10
    assert site.chosen(engine="embedded") == 0
    assert site.chosen(schema_version=newest) == MANY - 5
    assert site.chosen(schema_version=0, vendor="riverside") == 4
    assert site.chosen(doc_type="receipt", limit=150) == 150
