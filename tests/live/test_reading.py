"""Scripted replies of a real server, all the way: from a page to blocks, and from a file to rows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from bench import aged, bench, documents, problems, run, story
from databases import execute
from live.live_server import LiveServer
from live.pictures import engine, shown, using
from ocr_ops.chat_server import ChatServer
from ocr_ops.codec import digest_of, to_json
from ocr_ops.detectors import reply_problems
from ocr_ops.engines.vllm import VllmEngine
from ocr_ops.grounding import parse_reply
from ocr_ops.model import Digest, GridBox, ProblemKind, RawPage, ReadPage
from ocr_ops.ocr import read_pages
from ocr_ops.prompts import OCR_PROMPTS, OcrTask
from ocr_ops.table_cells import cells_of

pytestmark = pytest.mark.live


def read(reader: VllmEngine, *sizes: tuple[int, int]) -> tuple[list[ReadPage], dict[Digest, RawPage]]:
    kept: dict[Digest, RawPage] = {}

    def keep(raw: RawPage) -> Digest:
        digest = digest_of(to_json(raw))
        kept[digest] = raw
        return digest

    pages = [shown(width, height, n) for n, (width, height) in enumerate(sizes, start=1)]
    ledger = using(reader, lambda it: read_pages(it, pages, in_flight=4, keep=keep, keep_picture=digest_of))
    return ledger, kept


def test_a_scripted_reply_becomes_blocks_cells_and_a_figure(server: LiveServer) -> None:
    [page], kept = read(engine(server), (700, 1100))

    assert [block.label for block in page.blocks] == [
        "title",
        "image",
        "text",
        "table",
        "text",
        "text",
        "text",
    ]
    assert page.blocks[0].text == "# HARBOUR LANE BOOKS"
    assert page.blocks[2].boxes == (GridBox(100, 210, 500, 240), GridBox(100, 245, 500, 275))
    cells = {(cell.row, cell.col): cell.text for cell in cells_of(page.blocks[3])}
    assert [cells[row, 3] for row in range(3)] == ["Amount", "21.00", "12.50"]
    assert page.problems == ()
    [raw] = kept.values()
    assert raw.text.startswith("<|ref|>title<|/ref|><|det|>")
    assert (raw.model, raw.finish_reason, raw.ngram_ban) == (server.model, "stop", False)
    assert raw.version and raw.prompt == OCR_PROMPTS[OcrTask.DOCUMENT]


def test_many_pages_come_back_each_in_its_place(server: LiveServer) -> None:
    sizes = [(300 + 40 * n, 400 + 30 * n) for n in range(12)]

    pages, _ = read(engine(server), *sizes)

    assert [page.image.number for page in pages] == list(range(1, 13))
    assert {tuple(block.text for block in page.blocks) for page in pages} == {
        tuple(block.text for block in pages[0].blocks)
    }
    assert not any(page.problems for page in pages)


def test_an_endless_reply_is_noticed_tried_again_and_held(server: LiveServer) -> None:
    [page], kept = read(engine(server, task=OcrTask.FREE, tries=3, max_tokens=600), (300, 400))

    attempts = [kept[digest] for digest in page.attempts]
    assert len(attempts) >= 3
    assert {problem.kind for problem in page.problems} & {ProblemKind.LOOP, ProblemKind.CUT_OFF}
    assert len({(raw.temperature, raw.ngram_ban) for raw in attempts}) >= 2
    assert reply_problems(attempts[0], parse_reply(attempts[0]).blocks, has_ink=True)


def test_words_are_located(server: LiveServer) -> None:
    [page], _ = read(engine(server, task=OcrTask.LOCATE, sought="TOTAL"), (300, 400))

    [block] = page.blocks
    assert (block.text, block.boxes) == ("TOTAL", (GridBox(100, 620, 900, 670),))


def inbox_with_a_picture(folder: Path) -> Path:
    inbox = folder / "inbox"
    inbox.mkdir()
    image = Image.new("RGB", (700, 1100), "white")
    ImageDraw.Draw(image).text((40, 40), "a receipt that only the script can read", fill="black")
    image.save(inbox / "till.png")
    aged(inbox / "till.png")
    return inbox


def test_a_picture_becomes_rows_in_the_warehouse(
    server: LiveServer, tmp_path: Path, database_url: str
) -> None:
    inbox = inbox_with_a_picture(tmp_path)
    shop = bench(
        tmp_path,
        database_url,
        ocr_engine="vllm",
        ocr_urls=server.url,
        ocr_model=server.model,
        ocr_api_key=server.api_key,
    )

    assert run(shop, inbox, doc_type="receipt") == [{"accepted": 1}]

    row = documents(database_url)["till.png"]
    assert (row["total"], row["document_date"], row["currency"]) == (40.2, "2025-03-14", "EUR")
    assert problems(database_url, "till.png") == set()
    lines = execute(database_url, "select description, line_total::text from marts.receipt_lines order by 1")
    assert lines == [("Sea Charts", "21.00"), ("Tide Tables", "12.50")]
    roles = {link["role"] for link in story(database_url, "till.png")["links"]}
    assert {"source", "page/1/raw/1", "html", "record", "manifest"} <= roles


def test_an_endless_page_is_held_for_a_person(server: LiveServer, tmp_path: Path, database_url: str) -> None:
    inbox = inbox_with_a_picture(tmp_path)
    shop = bench(
        tmp_path,
        database_url,
        make_engine=lambda: engine(server, task=OcrTask.FREE, tries=3, max_tokens=600),
        ocr_engine="vllm",
        ocr_urls=server.url,
        ocr_model=server.model,
    )

    assert run(shop, inbox, doc_type="receipt") == [{"needs_review": 1}]

    assert documents(database_url)["till.png"]["status"] == "needs_review"
    assert problems(database_url, "till.png") & {"loop", "cut_off"}


def test_the_server_says_what_it_serves(server: LiveServer) -> None:
    async def about() -> tuple[tuple[tuple[str, int], ...], str]:
        chat = ChatServer(server.url, api_key=server.api_key)
        try:
            found = await chat.about()
            return found.models, found.version
        finally:
            await chat.close()

    models, version = asyncio.run(about())
    assert dict(models)[server.model] == 8192
    assert version.startswith("0.")
