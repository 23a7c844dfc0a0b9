"""Folders through plan, read, extract and load into a real Postgres, without Airflow."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from bad_documents import BAD, ODD_BUT_READABLE, StillWritten, duplicate_of, good_pdf, make_all
from bench import INVOICE, ScriptedEngine, aged, bench, documents, picture, problems, run, story
from databases import execute, row_versions
from ocr_ops import html_page, overlay
from ocr_ops.errors import ForbiddenFolder, ModelBusy, ModelUnreachable, TerminalError
from ocr_ops.model import Digest, ProblemKind
from ocr_ops.pipeline import batches, listing, planning
from ocr_ops.pipeline.journey import Order

pytestmark = pytest.mark.postgres

ODD = ("owner_locked_pdf", "pdf_called_jpg", "turned_jpeg", "two_page_tiff", "webp", "heic")
BOOKKEEPING = ("ingest.runs", "ingest.run_documents")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def invoice(folder: Path, name: str = "invoice.pdf") -> Path:
    path = Path(shutil.copyfile(INVOICE, folder / name))
    aged(path)
    return path


def untouched(url: str) -> dict[str, list[tuple]]:
    """Where every row lies and which transaction wrote it (not who locked it), without the book of runs."""
    return {
        table: [(place, written) for place, written, _ in rows]
        for table, rows in row_versions(url).items()
        if table not in BOOKKEEPING
    }


# --- a folder of everything ---


@pytest.mark.ocr
def test_a_folder_of_good_bad_and_odd_files_ends_with_every_document_once(
    inbox: Path, tmp_path: Path, database_url: str
):
    bad = make_all(inbox)
    odd = {name: ODD_BUT_READABLE[name].build(inbox) for name in ODD}
    good = invoice(inbox)
    copy = duplicate_of(good, "invoice_again.pdf")
    aged(*inbox.iterdir())
    shop = bench(tmp_path, database_url)

    counts = run(shop, inbox, batch_size=8)

    found = documents(database_url)
    assert set(found) == {path.name for path in (*bad.values(), *odd.values(), good, copy)}
    assert sum(sum(count.values()) for count in counts) == len(found)

    for name, path in bad.items():
        row = found[path.name]
        assert row["status"] == "quarantined", name
        assert len(row["reasons"].split()) >= 3, name
        assert problems(database_url, path.name) == {BAD[name].kind}, name
    for name, path in odd.items():
        assert found[path.name]["status"] in ("accepted", "needs_review"), (name, found[path.name])
    assert (found["invoice.pdf"]["doc_type"], found["invoice.pdf"]["total"]) == ("invoice", 4.11)
    assert problems(database_url, copy.name) == {ProblemKind.DUPLICATE}
    assert "invoice.pdf" in found[copy.name]["reasons"]

    for path in bad.values():
        kept = {link["role"] for link in story(database_url, path.name)["links"]}
        assert ("source" in kept) == (path.is_file() and path.stat().st_size > 0), path.name

    before = untouched(database_url)
    assert run(shop, inbox, "run 2") == []
    assert untouched(database_url) == before
    assert execute(database_url, "select documents, changed from ingest.runs where run_id = 'run 2'") == [
        (len(found), 0)
    ]
    links = [Digest(row[0]) for row in execute(database_url, "select distinct digest from audit.links")]
    assert len(links) > len(found)
    assert all(shop.store.has(digest) for digest in links)
    assert shop.store.verify() == []


def test_reprocessing_what_did_not_change_touches_no_row(inbox: Path, tmp_path: Path, database_url: str):
    invoice(inbox)
    picture(inbox, "till.png")
    engine = ScriptedEngine()
    shop = bench(tmp_path, database_url, lambda: engine)
    run(shop, inbox)
    before = untouched(database_url)

    counts = run(shop, inbox, "run 2", reprocess=True)

    assert sum(sum(count.values()) for count in counts) == 2
    assert untouched(database_url) == before
    assert len(engine.pages) == 1
    assert execute(database_url, "select documents, changed from ingest.runs where run_id = 'run 2'") == [
        (2, 0)
    ]


# --- files that come and go ---


def test_a_file_still_being_written_waits_and_is_loaded_by_the_next_run(
    inbox: Path, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listing, "QUIET_S", 0.2)
    invoice(inbox)
    shop = bench(tmp_path, database_url, ScriptedEngine)

    with StillWritten(inbox) as upload:
        assert upload.grown()
        run(shop, inbox)
    waiting = documents(database_url)
    aged(upload.path)
    run(shop, inbox, "run 2")

    assert waiting["uploading.pdf"]["status"] == "quarantined"
    assert "still being written" in waiting["uploading.pdf"]["reasons"]
    loaded = documents(database_url)
    assert set(loaded) == {"invoice.pdf", "uploading.pdf"}
    assert loaded["uploading.pdf"]["status"] in ("accepted", "needs_review")
    assert ProblemKind.STILL_WRITTEN not in problems(database_url, "uploading.pdf")


@pytest.mark.parametrize("change", ["rewritten", "deleted"])
def test_a_file_that_changes_between_finding_and_reading_is_not_doubled(
    inbox: Path, tmp_path: Path, database_url: str, change: str
):
    path = good_pdf(inbox)
    aged(path)
    shop = bench(tmp_path, database_url, ScriptedEngine)
    [batch] = planning.plan(shop, inbox, Order(), run_id="run 1", dag_id="ingest_folder")
    path.unlink() if change == "deleted" else path.write_bytes(INVOICE.read_bytes())

    batches.load_batch(shop, batches.extract_batch(shop, batches.read_batch(shop, batch)), run_id="run 1")
    between = documents(database_url)
    invoice(inbox, path.name)
    run(shop, inbox, "run 2")

    assert between[path.name]["status"] == "quarantined"
    assert len(between[path.name]["reasons"].split()) >= 3
    assert documents(database_url)[path.name]["total"] == 4.11


def test_a_copy_that_sorts_before_the_original_does_not_list_the_original_twice(
    inbox: Path, tmp_path: Path, database_url: str
):
    invoice(inbox, "m.pdf")
    shop = bench(tmp_path, database_url, ScriptedEngine)
    run(shop, inbox)
    invoice(inbox, "a.pdf")
    run(shop, inbox, "run 2")
    third = run(shop, inbox, "run 3")

    found = documents(database_url)
    assert {name: row["status"] for name, row in found.items()} == {
        "m.pdf": found["m.pdf"]["status"],
        "a.pdf": "quarantined",
    }
    assert found["m.pdf"]["total"] == 4.11
    assert "m.pdf" in found["a.pdf"]["reasons"]
    assert third == []


def test_names_that_are_no_utf8_or_hold_anything_else_are_loaded(
    inbox: Path, tmp_path: Path, database_url: str
):
    names = (b"caf\xe9.pdf", "größe 100% #1?.pdf".encode(), b"<b>[bold]{x}';--.pdf", b"line\nbreak.pdf")
    for number, name in enumerate(names):
        path = inbox / os.fsdecode(name)
        path.write_bytes(INVOICE.read_bytes() + b"%" * number)
        aged(path)
    shop = bench(tmp_path, database_url, ScriptedEngine)

    run(shop, inbox)

    found = documents(database_url)
    assert len(found) == len(names)
    assert {row["total"] for row in found.values()} == {4.11}, found
    assert "größe 100% #1?.pdf" in found


def test_a_link_that_leads_out_of_the_folder_is_not_read_at_all(
    inbox: Path, tmp_path: Path, database_url: str
):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    (inbox / "link.pdf").symlink_to(secret)
    shop = bench(tmp_path, database_url, ScriptedEngine)

    run(shop, inbox)

    assert "out of the folder" in documents(database_url)["link.pdf"]["reasons"]
    assert "source" not in {link["role"] for link in story(database_url, "link.pdf")["links"]}
    assert not any(
        b"the secret" in path.read_bytes() for path in (tmp_path / "audit").rglob("*") if path.is_file()
    )


def test_a_folder_outside_the_allowed_roots_is_refused_before_anything_is_written(
    inbox: Path, tmp_path: Path, database_url: str
):
    shop = bench(tmp_path, database_url, allowed_roots=str(tmp_path / "elsewhere"))

    with pytest.raises(ForbiddenFolder, match="allowed roots"):
        run(shop, inbox)

    assert execute(database_url, "select count(*) from ingest.runs") == [(0,)]


# --- what breaks on one document, and what breaks the world ---


@pytest.mark.parametrize(
    ("module", "function"), [(html_page, "document_html"), (overlay, "draw_overlay")], ids=["render", "load"]
)
def test_a_document_that_breaks_a_step_is_set_aside_alone(
    inbox: Path,
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    function: str,
):
    picture(inbox, "cursed.png")
    invoice(inbox)
    working = getattr(module, function)
    calls = []

    def breaks(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        is_picture = "cursed.png" in arguments or len(arguments[1]) == len(ScriptedEngine().lines)
        if is_picture:
            raise ZeroDivisionError("secret words of the document")
        return working(*arguments, **options)

    monkeypatch.setattr(module, function, breaks)
    shop = bench(tmp_path, database_url, ScriptedEngine)

    run(shop, inbox)

    found = documents(database_url)
    assert len(calls) >= 2
    assert found["cursed.png"]["status"] == "quarantined"
    assert "ZeroDivisionError" in found["cursed.png"]["reasons"]
    assert "secret words" not in json.dumps(story(database_url, "cursed.png"), default=str)
    assert found["invoice.pdf"]["total"] == 4.11


@pytest.mark.parametrize("fault", [ModelBusy("queue full"), ModelUnreachable("gone")])
def test_a_broken_world_is_raised_as_itself_and_a_retry_reads_no_finished_page_again(
    inbox: Path, tmp_path: Path, database_url: str, fault: Exception
):
    names = [f"{n}.png" for n in range(6)]
    for name in names:
        picture(inbox, name)
    engine = ScriptedEngine(faults={4: fault})
    shop = bench(tmp_path, database_url, lambda: engine)
    [batch] = planning.plan(shop, inbox, Order(), run_id="run 1", dag_id="ingest_folder")

    with pytest.raises(type(fault)) as raised:
        batches.read_batch(shop, batch)
    finished = len(engine.pages)
    read = batches.read_batch(shop, batch)
    counts = batches.load_batch(shop, batches.extract_batch(shop, read), run_id="run 1")

    assert raised.value is fault
    assert sum(counts.values()) == len(names)
    assert set(documents(database_url)) == set(names)
    kept = finished - len(set(engine.pages[finished:]) & set(engine.pages[:finished]))
    assert kept >= 3, "the pages finished before the fault are not read again"
    assert engine.closed == 2
    before = len(engine.pages)
    batches.read_batch(shop, batch)
    assert len(engine.pages) == before


def test_a_run_cut_off_after_any_step_ends_with_the_same_rows(inbox: Path, tmp_path: Path, database_url: str):
    for name in ("1.png", "2.png"):
        picture(inbox, name)
    duplicate_of(inbox / "1.png", "3.png")
    aged(inbox / "3.png")
    shop = bench(tmp_path, database_url, ScriptedEngine)
    first, *_ = planning.plan(shop, inbox, Order(batch_size=1), run_id="run 1", dag_id="ingest_folder")
    batches.load_batch(shop, batches.extract_batch(shop, batches.read_batch(shop, first)), run_id="run 1")

    run(shop, inbox, "run 2")

    found = documents(database_url)
    assert set(found) == {"1.png", "2.png", "3.png"}
    assert problems(database_url, "3.png") == {ProblemKind.DUPLICATE}
    assert "1.png" in found["3.png"]["reasons"]


def test_an_audit_store_that_cannot_be_written_is_an_error_in_words(
    inbox: Path, tmp_path: Path, database_url: str
):
    invoice(inbox)
    (tmp_path / "file").write_text("not a folder")
    shop = bench(tmp_path, database_url, audit_uri=f"file://{tmp_path / 'file' / 'audit'}")

    with pytest.raises(TerminalError, match=r"audit store at .*file/audit"):
        run(shop, inbox)

    assert documents(database_url) == {}


def test_an_audit_store_that_vanished_between_two_steps_is_an_error_in_words(
    inbox: Path, tmp_path: Path, database_url: str
):
    invoice(inbox)
    shop = bench(tmp_path, database_url)
    [batch] = planning.plan(shop, inbox, Order(), run_id="run 1", dag_id="ingest_folder")
    read = batches.read_batch(shop, batch)
    shutil.rmtree(tmp_path / "audit")

    with pytest.raises(TerminalError, match="is not in the audit store"):
        batches.extract_batch(shop, read)
