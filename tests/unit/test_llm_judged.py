"""Weak language models behind a real server, all the way to the judged record: what they may not do to a document."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from builders import page_of
from fake_model_server import Answer, Entry, FakeModelServer, reply
from ocr_ops.judge.decide import judge
from ocr_ops.model import Candidate, ReadPage, Record, Status
from ocr_ops.readers.layout import read_layout
from ocr_ops.readers.llm import LlmReader
from ocr_ops.readers.llm_openai import OpenAiPeer
from ocr_ops.schemas import load_calibration, load_schema

RECEIPT = load_schema("receipt")
SURE = page_of(
    "ALPHA BOOKS LTD",
    "12 Mill Road, Leeds LS1 4AB",
    "Date: 14/03/2025 18:05",
    "Atlas of the World | 25.00",
    "Fountain pen | 8.50",
    "Subtotal | 33.50",
    "VAT 20% | 6.70",
    "TOTAL | 40.20",
    "CASH | 50.00",
    "CHANGE | 9.80",
)
UNCONFIRMED = page_of(
    "ALPHA BOOKS LTD", "Deposit of 12.00", "Date: 14/03/2025", "TOTAL | 40.20", "CASH | 50.00"
)


def copies_what_it_was_told(body: dict[str, Any]) -> Answer:
    told = re.search(r"<proposal>\n(.*)\n</proposal>", body["messages"][1]["content"])
    assert told is not None
    return reply(told[1])


def takes_the_first_of_everything(body: dict[str, Any]) -> Answer:
    """Every word field is the first line, every amount the first amount, and one line item is the total."""
    words = re.findall(r"<p id=\d+ box=[\d,]+>(.*)", body["messages"][1]["content"])
    amount = next(word for word in words if re.search(r"\d+\.\d\d", word)).split()[-1]
    fields = body["response_format"]["json_schema"]["schema"]["properties"]
    money = {"subtotal", "tax_total", "total"}
    answer = {name: amount if name in money else words[0] for name in fields if name != "line_items"}
    answer |= {"date": None, "time": None, "currency": None}
    return reply(json.dumps(answer | {"line_items": [{"description": words[0], "line_total": amount}]}))


def takes_the_cash_for_the_total(body: dict[str, Any]) -> Answer:
    return reply(json.dumps({"total": "50.00", "subtotal": "50.00", "tax_total": "0.00"}))


def never_answers_in_json(body: dict[str, Any]) -> Answer:
    return reply("I am sorry, I cannot read receipts.")


WEAK = [
    copies_what_it_was_told,
    takes_the_first_of_everything,
    takes_the_cash_for_the_total,
    never_answers_in_json,
]


def read_by(model: Entry, page: ReadPage) -> Record:
    """The record of a page that the layout reader and a language model read."""
    proposed = read_layout([page], RECEIPT)

    async def corrected(url: str) -> Candidate:
        reader = LlmReader(OpenAiPeer(url, backoff_s=0.01))
        try:
            return (await reader.read([page], RECEIPT, proposed)).candidate
        finally:
            await reader.close()

    with FakeModelServer([model]) as server:
        return judge(RECEIPT, (proposed, asyncio.run(corrected(server.url))), [page], load_calibration())


def read_without(page: ReadPage) -> Record:
    return judge(RECEIPT, (read_layout([page], RECEIPT),), [page], load_calibration())


@pytest.mark.parametrize("model", WEAK)
def test_no_value_of_a_document_gets_worse_by_a_weak_model(model: Entry) -> None:
    alone, together = read_without(SURE), read_by(model, SURE)

    assert alone.status is Status.ACCEPTED and alone.values["total"] == "40.20"
    assert {name: together.values.get(name) for name in alone.values} == alone.values


@pytest.mark.parametrize("model", WEAK)
def test_what_nothing_confirms_is_not_accepted_because_a_weak_model_was_asked(model: Entry) -> None:
    assert read_without(UNCONFIRMED).status is Status.NEEDS_REVIEW
    assert read_by(model, UNCONFIRMED).status is Status.NEEDS_REVIEW


def test_a_model_that_finds_the_same_total_by_itself_confirms_it() -> None:
    def finds(body: dict[str, Any]) -> Answer:
        assert "40.20" not in body["messages"][1]["content"].partition("<proposal>")[2]
        return reply(json.dumps({"total": "40.20", "date": "2025-03-14"}))

    record = read_by(finds, UNCONFIRMED)

    assert record.status is Status.ACCEPTED and record.values["total"] == "40.20"
