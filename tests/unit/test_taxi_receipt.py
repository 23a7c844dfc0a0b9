"""A taxi meter's printout on a pre-printed form: labels and values have slipped by a line, and units tell them apart."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from fake_model_server import FakeModelServer, reply
from golden_files import GOLDEN
from ocr_ops.codec import digest_of
from ocr_ops.grounding import parse_reply
from ocr_ops.judge.decide import judge
from ocr_ops.model import Candidate, PageImage, PixelSize, RawPage, ReadPage, Record, ReplyFormat, Status
from ocr_ops.readers.doc_type import choose
from ocr_ops.readers.layout import read_layout
from ocr_ops.readers.llm import LlmReader
from ocr_ops.readers.llm_openai import OpenAiPeer
from ocr_ops.schemas import doc_types, load_schema

FOLDER = GOLDEN / "taxi_receipt"
REPLY = (FOLDER / "reply.txt").read_text(encoding="utf-8")
RECORD: dict[str, str] = json.loads((FOLDER / "record.json").read_text(encoding="utf-8"))
TAXI = load_schema("taxi_receipt_cn")
PAGES = (
    ReadPage(
        PageImage(1, digest_of(b"page"), "image/png", PixelSize(900, 1600)),
        (),
        parse_reply(RawPage(1, "vllm", "model", "1", ReplyFormat.GROUNDING, REPLY)).blocks,
    ),
)


def corrected(answer: dict[str, Any]) -> Record:
    """The record when a model answers with this."""

    async def go(server: FakeModelServer) -> Candidate:
        reader = LlmReader(OpenAiPeer(server.url))
        try:
            return (await reader.read(PAGES, TAXI, read_layout(PAGES, TAXI))).candidate
        finally:
            await reader.close()

    with FakeModelServer([reply(json.dumps(answer, ensure_ascii=False))]) as server:
        return judge(TAXI, (read_layout(PAGES, TAXI), asyncio.run(go(server))), PAGES)


def test_geometry_and_units_pair_slipped_labels_with_their_values() -> None:
    record = judge(TAXI, (read_layout(PAGES, TAXI),), PAGES)

    assert record.values == RECORD


def test_a_meter_that_prints_no_reading_beside_the_time_gives_none() -> None:
    blocks = tuple(replace(block, text=block.text.replace("**0907** ", "")) for block in PAGES[0].blocks)
    pages = (replace(PAGES[0], blocks=blocks),)

    values = judge(TAXI, (read_layout(pages, TAXI),), pages).values

    assert values == {name: value for name, value in RECORD.items() if name != "boarding_mileage"}


def test_a_language_model_confirms_the_record_and_every_value_points_at_the_page() -> None:
    record = corrected({**RECORD, "date": "23-05-17", "boarding_mileage": "0907"})

    assert {**record.values, "date": "2023-05-17"} == RECORD
    assert {one.field for one in record.evidence} == {f"/{name}" for name in RECORD}
    assert all(one.blocks for one in record.evidence)


def test_two_readers_that_agree_are_enough_for_a_fare_that_nothing_adds_up_to() -> None:
    alone = judge(TAXI, (read_layout(PAGES, TAXI),), PAGES)

    assert alone.status is Status.NEEDS_REVIEW
    assert corrected(RECORD).status is Status.ACCEPTED


def test_digits_that_are_not_printed_are_dropped() -> None:
    record = corrected({**RECORD, "amount": "14.50", "distance": "13.1"})

    assert record.values["amount"] == "41.50" and record.values["distance"] == "11.3"


def test_the_pages_speak_for_their_type() -> None:
    types = tuple(load_schema(name) for name in doc_types())

    assert choose(PAGES, types).doc_type == "taxi_receipt_cn"
