"""What settings say of pictures, in a whole pipeline: it decides what is read again, and what is not."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from bench import INVOICE, ScriptedEngine, aged, bench, picture
from ocr_ops.codec import step_key
from ocr_ops.engines.tiles import DEEPSEEK_OCR, Tiling
from ocr_ops.model import SourceDocument
from ocr_ops.pipeline import batches, opening
from ocr_ops.pipeline.journey import Journey, Opened, Order
from ocr_ops.pipeline.listing import list_documents
from ocr_ops.pipeline.workshop import Workshop

SWITCHES = ("ocr_denoise", "ocr_contrast", "ocr_binarise", "ocr_perspective")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A picture, and a PDF with a text layer."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    picture(folder, "till.png")
    aged(Path(shutil.copyfile(INVOICE, folder / "invoice.pdf")))
    return folder


def read(inbox: Path, engine: ScriptedEngine, **settings: str) -> dict[str, Journey]:
    """Open, read and render the folder in one audit store, whatever the settings."""
    shop = bench(inbox.parent, "", lambda: engine, **settings)
    read = asyncio.run(batches.read_documents(shop, Order(), list_documents(shop, inbox)))
    return {journey.name: journey for journey in read}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_changed_switch_reads_pages_again_and_nothing_else(inbox: Path, switch: str) -> None:
    engine = ScriptedEngine()
    before = read(inbox, engine)
    read(inbox, engine)
    assert len(engine.pages) == 1

    switched = read(inbox, engine, **{switch: "true"})

    assert len(engine.pages) == 2
    for name in ("till.png", "invoice.pdf"):
        assert switched[name].result("open") == before[name].result("open")
    for step in ("read", "render"):
        assert switched["invoice.pdf"].result(step) == before["invoice.pdf"].result(step)
    read(inbox, engine, **{switch: "yes"})
    back = read(inbox, engine, **{switch: "false"})
    assert len(engine.pages) == 2
    assert back["till.png"].result("read") == before["till.png"].result("read")


def test_an_engine_is_shown_what_the_switch_makes_of_a_page(inbox: Path) -> None:
    engine = ScriptedEngine()

    read(inbox, engine)
    read(inbox, engine, ocr_binarise="on")
    read(inbox, engine, ocr_binarise="on", ocr_denoise="on")

    assert len(set(engine.pages)) == 3


def test_one_store_serves_an_engine_with_tiles_and_one_without(inbox: Path) -> None:
    engine = ScriptedEngine()
    servers = {"ocr_engine": "vllm", "ocr_urls": "http://127.0.0.1:9/v1"}

    here = read(inbox, engine)
    there = read(inbox, engine, **servers, ocr_model="deepseek-ai/DeepSeek-OCR")
    there_2 = read(inbox, engine, **servers, ocr_model="deepseek-ai/DeepSeek-OCR-2")

    opened = [one["invoice.pdf"].result("open") for one in (here, there, there_2)]
    assert len(set(opened)) == 3
    again = [read(inbox, engine), read(inbox, engine, **servers, ocr_model="deepseek-ai/DeepSeek-OCR")]
    assert [one["invoice.pdf"].result("open") for one in again] == opened[:2]
    # a picture is no PDF page: it is shown as it came, whoever reads it, and this engine reads it once
    assert len(engine.pages) == 1


def test_a_document_opened_by_itself_is_drawn_for_the_same_tiles(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone_with: list[Tiling | None] = []

    def noted(shop: Workshop, tiling: Tiling | None, found: SourceDocument) -> Opened:
        alone_with.append(tiling)
        return by_itself(shop, tiling, found)

    by_itself = opening._opened_alone
    monkeypatch.setattr(opening, "_opened_alone", noted)
    servers = {
        "ocr_engine": "vllm",
        "ocr_urls": "http://127.0.0.1:9/v1",
        "ocr_model": "deepseek-ai/DeepSeek-OCR",
    }
    usual = read(inbox, ScriptedEngine(), **servers)["invoice.pdf"]
    opened = next(step for step in usual.steps if step.step == "open")
    # in another store an earlier run began to open the document and never came back
    other = {"audit_uri": f"file://{tmp_path / 'other'}"}
    shop = bench(tmp_path, **servers, **other)
    shop.store.remember(step_key("open begun", of=opened.key), shop.store.put(INVOICE.read_bytes()))

    alone = read(inbox, ScriptedEngine(), **servers, **other)["invoice.pdf"]

    assert alone_with == [DEEPSEEK_OCR]
    assert alone.result("open") == opened.output
