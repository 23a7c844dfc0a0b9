"""Accepted documents read by a second engine, and held-back ones decided by a person, as the DAGs do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import INVOICE, RECEIPT_LINES, Bench, ScriptedEngine, aged, bench, documents, picture, run, story
from databases import execute
from ocr_ops.errors import TerminalError
from ocr_ops.pipeline import batches, quality
from ocr_ops.pipeline.quality import (
    PEOPLE,
    Control,
    answers_counted,
    control,
    differing,
    plan_sample,
    sample_for_people,
)
from ocr_ops.pipeline.reviewing import question, settle, waiting
from ocr_ops.schemas import load_schema
from ocr_ops.settings import OcrEngine

pytestmark = pytest.mark.postgres

LONG_AGO, MUCH_LATER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
FULL = [{"checked": 100, "wrong": 1, "unsure": 3}]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Bench:
    return bench(tmp_path, database_url, ScriptedEngine)


def sample(shop: Bench, engine: OcrEngine = OcrEngine.EMBEDDED) -> list[str]:
    return plan_sample(shop, size=5, since=LONG_AGO, until=MUCH_LATER, engine=engine, run_id="m")


@pytest.mark.ocr
def test_a_second_engine_reads_the_picture_and_not_the_text_of_the_file(
    tmp_path: Path, inbox: Path, database_url: str
):
    (inbox / "invoice.pdf").write_bytes(INVOICE.read_bytes())
    aged(inbox / "invoice.pdf")
    shop = bench(tmp_path, database_url)
    run(shop, inbox)
    assert documents(database_url)["invoice.pdf"]["status"] == "accepted"
    versions = "select count(*) from extraction.records"
    before = execute(database_url, versions)

    def counts(checked: Bench) -> dict[str, int]:
        (batch,) = sample(checked)
        extracted = batches.extract_batch(checked, batches.read_batch(checked, batch))
        return batches.compare_batch(checked, extracted)

    assert counts(shop) == {"checked": 1, "wrong": 0, "unsure": 0}
    execute(database_url, "update extraction.fields set value = '9.99' where field = '/grand_total'")
    assert counts(shop) == {"checked": 1, "wrong": 1, "unsure": 0}
    assert execute(database_url, versions) == before


def test_only_what_another_engine_read_is_sampled(shop: Bench, inbox: Path, database_url: str):
    picture(inbox, "a.png")
    run(shop, inbox, doc_type="receipt")
    execute(database_url, "update ingest.documents set status = 'accepted'")
    assert len(sample(shop)) == 1

    execute(database_url, "update ingest.pages set engine = 'embedded'")

    assert sample(shop) == []


def test_values_are_compared_as_what_they_are_and_rows_are_left_out():
    schema = load_schema("receipt")
    accepted = {"/total": "40.20", "/date": "2025-03-14", "/line_items/0/line_total": "1"}

    assert differing(schema, accepted, {"total": "40.2", "date": "2025-03-14"}) == ()
    assert differing(schema, accepted, {"total": "40.21", "line_items": [{"line_total": "2"}]}) == ("/total",)
    assert differing(schema, accepted, {"merchant_address": "x"}) is None


def test_the_limit_widens_for_small_samples_and_breaks_on_what_chance_hardly_explains():
    assert not Control(20, 2, 0.02).broken
    assert Control(20, 3, 0.02).broken
    assert not Control(500, 19, 0.02).broken
    assert Control(500, 20, 0.02).broken
    assert not Control(0, 0, 0.02).broken


def test_normal_is_what_earlier_runs_that_were_in_control_found(shop: Bench, database_url: str):
    assert control(shop, FULL, run_id="1").normal == 0.02
    assert control(shop, [{"checked": 100, "wrong": 60}], run_id="2").broken
    assert control(shop, FULL, run_id="3").normal == 0.02

    fourth = control(shop, FULL * 2, run_id="4")

    assert (fourth.normal, fourth.checked, fourth.wrong) == (0.01, 200, 2)
    noted = "select run_id, params ->> 'broken' from ingest.runs order by 1"
    assert execute(database_url, noted) == [("1", "false"), ("2", "true"), ("3", "false"), ("4", "false")]


def test_shares_found_by_people_are_compared_with_their_own_past(shop: Bench):
    control(shop, [{"checked": 200, "wrong": 8}], run_id="1", by=PEOPLE)
    control(shop, FULL * 2, run_id="2")

    assert control(shop, [], run_id="3", by=PEOPLE).normal == 0.04
    assert control(shop, [], run_id="4").normal == 0.01


def test_people_are_asked_about_accepted_documents_and_not_about_too_many(
    shop: Bench, inbox: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("a.png", "b.png", "c.png"):
        picture(inbox, name)
    run(shop, inbox, doc_type="receipt")
    execute(database_url, "update ingest.documents set status = 'rejected' where name = 'b.png'")
    drawn = {"since": LONG_AGO, "until": MUCH_LATER, "run_id": "m"}
    keys = {name: f"{one['document_key']}@1" for name, one in documents(database_url).items()}

    assert set(sample_for_people(shop, size=50, **drawn)) == {keys["a.png"], keys["c.png"]}

    headline, body = question(shop, keys["a.png"], checking=True)
    assert headline == "Is a.png right?"
    assert "`40.20" in body
    assert "Nothing is changed by your answer" in body
    monkeypatch.setattr(quality, "MOST_QUESTIONS", 1)
    assert len(sample_for_people(shop, size=50, **drawn)) == 1


def test_who_cannot_tell_is_not_counted_as_having_checked():
    assert answers_counted(["Right", "Wrong", "Cannot tell", "Right"]) == {
        "checked": 3,
        "wrong": 1,
        "unsure": 1,
    }
    assert answers_counted([]) == {"checked": 0, "wrong": 0, "unsure": 0}


# --- decisions of people ---


@pytest.fixture
def held(shop: Bench, inbox: Path, database_url: str) -> str:
    """A receipt that waits for a person since it does not add up, as a question is asked about it."""
    picture(inbox, "till`roll|.png")
    odd = ScriptedEngine((*RECEIPT_LINES[:3], "VAT 6.80", *RECEIPT_LINES[4:]))
    run(replace(shop, make_engine=lambda: odd), inbox, doc_type="receipt")
    assert documents(database_url)["till`roll|.png"]["status"] == "needs_review"
    (one,) = waiting(shop, limit=5)
    return one


def test_a_question_says_what_was_read_and_why_it_waits_without_letting_the_document_write(
    shop: Bench, held: str
):
    linked = replace(shop, settings=replace(shop.settings, review_url="https://host/review?key="))

    subject, body = question(linked, held)

    assert subject.startswith("Is till")
    assert "Held back: `" in body
    assert f"(https://host/review?key={held.split('@')[0]})" in body
    assert all(line.count("`") % 2 == 0 for line in body.splitlines())
    assert len(body) < 1500


@pytest.mark.parametrize(("answer", "status"), [("Approve", "accepted"), ("Reject", "rejected")])
def test_an_answer_becomes_a_version_with_the_name_of_who_gave_it(
    shop: Bench, held: str, database_url: str, answer: str, status: str
):
    assert settle(shop, held, answer=answer, by="ann", run_id="r") == f"{status}, version 2"

    (row,) = documents(database_url).values()
    assert (row["status"], row["version"]) == (status, 2)
    assert story(database_url, row["name"])["versions"][1]["made_by"] == "ann"
    assert waiting(shop, limit=5) == []
    assert "left alone" in settle(shop, held, answer=answer, by="bob", run_id="r")
    assert len(story(database_url, row["name"])["versions"]) == 2


def test_later_changes_nothing(shop: Bench, held: str):
    assert settle(shop, held, answer="Later", by="ann", run_id="r") == "left for later"
    assert waiting(shop, limit=5) == [held]
    assert waiting(shop, limit=5, doc_type="invoice") == []


def test_a_question_about_a_document_that_is_gone_fails_for_good(shop: Bench):
    with pytest.raises(TerminalError, match="there is no document"):
        question(shop, "sha256:0@1")
