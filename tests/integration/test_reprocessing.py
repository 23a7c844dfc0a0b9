"""Documents processed again from what is kept: proposed, told as differences, promoted or discarded; without any OCR."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, ScriptedEngine, bench, documents, picture, run
from databases import execute
from ocr_ops.errors import TerminalError
from ocr_ops.model import Digest
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.choosing import Choice
from ocr_ops.pipeline.planning import batch_of, store_plan
from ocr_ops.pipeline.reprocessing import choice_from, decide, in_words, plan_again, proposed_by, report
from ocr_ops.schemas import FOLDER
from ocr_ops.warehouse import Difference

pytestmark = pytest.mark.postgres

FORM: dict[str, Any] = {
    "stage": "extract",
    "engine": "as configured",
    "as_doc_type": "auto",
    "batch_size": 2,
    "reason": "a new schema",
}
RECEIPTS = Choice(doc_type="receipt")


def again(shop: Bench, choice: Choice = RECEIPTS, run_id: str = "again", **form: Any) -> list[dict[str, int]]:
    """Process documents again as the DAG does; the counts of every batch."""
    planned = plan_again(shop, choice, FORM | form, run_id=run_id, dag_id="reprocess_documents")
    plan = store_plan(shop, planned.batches)
    counts = []
    for number in range(len(planned.batches)):
        read = batches.read_batch(shop, batch_of(shop, plan, number))
        counts.append(
            batches.load_batch(shop, batches.extract_batch(shop, read), run_id=run_id, propose=True)
        )
    return counts


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def loaded(tmp_path: Path, database_url: str, engine: ScriptedEngine) -> Bench:
    """Three receipts that were read and loaded."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        picture(inbox, name)
    shop = bench(tmp_path, database_url, lambda: engine)
    run(shop, inbox, doc_type="receipt")
    assert set(documents(database_url)) == {"a.png", "b.png", "c.png"}
    return shop


@pytest.fixture
def changed(loaded: Bench, tmp_path: Path) -> Bench:
    """The same with a newer schema of receipts, in which a card number and not the merchant is what must be there."""
    folder = tmp_path / "schemas"
    shutil.copytree(FOLDER, folder)
    newest = max((folder / "receipt").glob("v*.schema.json"))
    schema = json.loads(newest.read_text())
    schema["properties"].pop("payment_method")
    number = int(newest.name.split(".")[0][1:]) + 1
    text = json.dumps(schema).replace(f"/v{number - 1}", f"/v{number}")
    (folder / "receipt" / f"v{number}.schema.json").write_text(text)
    return replace(loaded, schema_folder=folder)


def test_nothing_changed_proposes_nothing_and_asks_no_engine(loaded: Bench, engine: ScriptedEngine):
    read = len(engine.pages)

    assert again(loaded) == [{"same": 2}, {"same": 1}]

    assert len(engine.pages) == read
    assert report(loaded, run_id="again").proposed == 0


def test_a_new_schema_is_proposed_told_and_promoted_without_any_ocr(
    changed: Bench, engine: ScriptedEngine, database_url: str
):
    read, before = len(engine.pages), documents(database_url)

    assert again(changed) == [{"proposed": 2}, {"proposed": 1}]

    assert len(engine.pages) == read
    assert {n: d["version"] for n, d in documents(database_url).items()} == dict.fromkeys(before, 1)
    told = report(changed, run_id="again")
    assert told.proposed == 3
    assert "3 documents processed again. 3 would change in values: `/payment_method` (3)." in told.words
    table = changed.store.get(told.table).decode().splitlines()
    assert len(table) == 1 + 3
    assert "/payment_method" in table[1]

    assert decide(changed, run_id="again", what="promote", by="ann", reason="checked") == 3

    assert {d["version"] for d in documents(database_url).values()} == {2}
    assert decide(changed, run_id="again", what="promote", by="ann", reason="twice") == 0
    who = "select distinct decided_by, decision_reason, reason from extraction.records where version = 2"
    assert execute(database_url, who) == [("ann", "checked", "a new schema")]


def test_discarded_proposals_leave_everything_as_it_was(changed: Bench, database_url: str):
    again(changed)

    assert decide(changed, run_id="again", what="discard", by="ann", reason="no") == 3

    assert {d["version"] for d in documents(database_url).values()} == {1}
    assert proposed_by(changed, "again") == []


def test_reading_again_asks_the_engine_for_every_page_that_it_has_not_read(
    loaded: Bench, engine: ScriptedEngine
):
    class Newer(ScriptedEngine):
        @property
        def identity(self) -> dict[str, str]:
            return {"engine": "scripted", "version": "2"}

    newer = Newer(
        ("HARBOUR LANE BOOKS", "14/03/2025", "SUBTOTAL 33.50", "VAT 6.80", "TOTAL 40.30", "CASH 40.30")
    )

    assert again(replace(loaded, make_engine=lambda: newer), stage="read") == [
        {"proposed": 2},
        {"proposed": 1},
    ]

    assert len(newer.pages) == 3
    assert "`40.30`" in report(loaded, run_id="again").words


def test_what_is_no_longer_kept_is_left_out_and_counted(loaded: Bench, database_url: str):
    query = "select l.digest from audit.links l join ingest.documents using (document_key) where name = 'b.png' and role = "
    for role in ("step/read", "page/1/blocks"):
        ((digest,),) = execute(database_url, f"{query}'{role}'")
        loaded.store.erase(Digest(digest))

    planned = plan_again(loaded, RECEIPTS, FORM, run_id="again", dag_id="reprocess_documents")

    assert (planned.documents, planned.left_out) == (2, 1)


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        (Choice(documents=("a.png", "c.png")), 2),
        (Choice(vendor="%"), 0),
        (Choice(doc_type="receipt", limit=2), 2),
        (Choice(doc_type="receipt", statuses=("rejected",)), 0),
        (Choice(engine="scripted"), 3),
        (Choice(schema_version=99), 0),
        (Choice(since=datetime(2000, 1, 1, tzinfo=UTC)), 3),
        (Choice(until=datetime(2000, 1, 1, tzinfo=UTC)), 0),
    ],
    ids=str,
)
def test_documents_are_chosen_by_what_is_known_of_them(loaded: Bench, choice: Choice, count: int):
    planned = plan_again(loaded, choice, FORM, run_id="again", dag_id="reprocess_documents")

    assert planned.documents == count


def test_documents_are_chosen_by_a_part_of_the_name_of_the_vendor(loaded: Bench, database_url: str):
    execute(database_url, "update extraction.receipts set merchant_name = 'HARBOUR LANE BOOKS'")

    planned = plan_again(loaded, Choice(vendor="lane b"), FORM, run_id="again", dag_id="reprocess_documents")

    assert planned.documents == 3


def test_a_document_is_chosen_by_the_beginning_of_its_digest(loaded: Bench, database_url: str):
    digest = documents(database_url)["b.png"]["digest"].removeprefix("sha256:")

    planned = plan_again(loaded, Choice(documents=(digest[:10],)), FORM, run_id="r", dag_id="d")

    assert planned.documents == 1


def test_choosing_everything_is_refused(loaded: Bench):
    with pytest.raises(TerminalError, match="name documents, dates"):
        plan_again(loaded, Choice(statuses=("accepted",), limit=5), FORM, run_id="r", dag_id="d")


def test_a_backfill_takes_its_interval_instead_of_the_dates_of_the_form():
    month = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))

    assert choice_from({"since": "2020-05-01"}).since == datetime(2020, 5, 1, tzinfo=UTC)
    assert choice_from({"since": "2020-05-01", "doc_type": "any"}, month) == Choice(
        since=month[0], until=month[1]
    )


def test_what_documents_say_cannot_break_out_of_the_report():
    evil = Difference("k", "x`|y\n# z", 1, 2, "/total", None, "`[a](http://b)|" + "9" * 5000, *[None] * 6)  # type: ignore[arg-type]

    words = in_words(1, 1, [evil] * 500)

    assert len(words) < 1800
    rows = [line for line in words.splitlines() if line.startswith("| `")]
    assert all(line.count("|") == 5 and line.count("`") == 6 for line in rows)
