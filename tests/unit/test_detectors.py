"""What the detectors find in replies that went wrong, and leave alone in replies that did not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ocr_ops.detectors import packing_ratio, repeats_at_end, reply_problems, rows_altered
from ocr_ops.model import Block, GridBox, ProblemKind, RawPage, ReplyFormat

BLOCK = Block("p001.b001", "text", (GridBox(0, 0, 9, 9),), "x")
HEAD = "<|ref|>table<|/ref|><|det|>[[10, 10, 990, 990]]<|/det|>\n"
WORDS = [
    "paper",
    "ink",
    "stapler",
    "glue",
    "cable",
    "lamp",
    "chair",
    "desk",
    "folder",
    "envelope",
    "marker",
    "scissors",
    "tape",
    "pencil",
    "ruler",
    "clip",
]


def raw(text: str, finish: str = "stop", form: ReplyFormat = ReplyFormat.GROUNDING) -> RawPage:
    return RawPage(1, "vllm", "m", "1", form, text, finish_reason=finish)


def kinds(
    text: str, finish: str = "stop", *, blocks: tuple[Block, ...] = (BLOCK,), has_ink: bool = True
) -> list[ProblemKind]:
    return [problem.kind for problem in reply_problems(raw(text, finish), blocks, has_ink)]


def dense_table(rows: int) -> str:
    pick = random.Random(7)
    lines = (
        f"<tr><td>{number}</td><td>{pick.choice(WORDS)} {pick.choice(WORDS)}</td><td>{pick.randint(1, 9)}</td>"
        f"<td>{pick.randint(100, 99999) / 100:.2f}</td></tr>"
        for number in range(rows)
    )
    return HEAD + "<table>" + "".join(lines) + "</table>"


@pytest.mark.parametrize("rows", [1, 10, 60, 150])
def test_good_table_of_any_length_has_no_problem(rows: int) -> None:
    assert kinds(dense_table(rows)) == []


def test_long_table_of_one_product_is_no_loop() -> None:
    rows = "".join(f"<tr><td>{n}</td><td>Hosting monthly fee</td><td>9.90</td></tr>" for n in range(1, 121))

    assert kinds(HEAD + "<table>" + rows + "</table>") == []


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "TOTAL 9.00\n" + "-" * 120,
        HEAD + "<table>" + "<tr><td></td><td></td></tr>" * 12 + "</table>",
        HEAD + "Espresso 2.50\n" * 5,
        HEAD + "1. Coffee ........................................ 3.00",
    ],
)
def test_rulers_empty_rows_and_a_few_equal_lines_are_no_loop(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    "tail",
    [
        "<tr><td>12</td><td>loop</td></tr>",
        "CASHIER: 17,000\n",
        ".",
        "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nA\n",
    ],
)
def test_words_that_come_again_and_again_at_the_end_are_a_loop(tail: str) -> None:
    text = dense_table(5) + tail * 300

    assert kinds(text, "length") == [ProblemKind.LOOP, ProblemKind.CUT_OFF]
    assert kinds(text[: -len(tail) // 2], "length") == [ProblemKind.LOOP, ProblemKind.CUT_OFF]


def test_loop_that_counts_upwards_is_a_loop_too() -> None:
    rows = "".join(
        f"<tr><td>{number}</td><td>VAT ID and the same long words</td></tr>" for number in range(400)
    )

    assert kinds(HEAD + rows, "length") == [ProblemKind.LOOP, ProblemKind.CUT_OFF]


def test_server_that_stopped_a_repetition_is_believed() -> None:
    assert kinds("short", "repetition") == [ProblemKind.LOOP]


@pytest.mark.parametrize("finish", ["length", "abort", "content_filter", "none"])
def test_reply_that_did_not_end_by_itself_is_cut_off(finish: str) -> None:
    assert kinds(HEAD + "abc", finish) == [ProblemKind.CUT_OFF]


def test_stripped_markup_is_seen() -> None:
    text = "text[[301, 166, 334, 238]]\nSome words\ntext[[336, 268, 615, 296]]\nMore words\n"

    assert ProblemKind.MARKUP_STRIPPED in kinds(text)


@pytest.mark.parametrize(("has_ink", "expected"), [(True, [ProblemKind.NO_TEXT]), (False, [])])
def test_empty_reply_is_a_problem_only_where_there_is_ink(has_ink: bool, expected: list[ProblemKind]) -> None:
    assert kinds("", blocks=(), has_ink=has_ink) == expected
    assert kinds(" \n", blocks=(), has_ink=has_ink) == expected


def test_equal_printed_lines_of_an_engine_that_cannot_loop_are_no_loop() -> None:
    text = (
        '[{"text": "-", "box": [1, 2, 3, 4], "score": 0.9},'
        + '{"text": "-", "box": [1, 2, 3, 4], "score": 0.9},' * 300
    )

    assert reply_problems(raw(text, form=ReplyFormat.LINES), (BLOCK,), True) == ()


def test_lines_without_any_line_are_no_text() -> None:
    [problem] = reply_problems(raw("[]", form=ReplyFormat.LINES), (), True)

    assert (problem.kind, problem.page) == (ProblemKind.NO_TEXT, 1)


def test_repeats_are_counted() -> None:
    assert repeats_at_end("x" + "0123456789abcdefghij" * 30) == 30
    assert repeats_at_end("") == repeats_at_end("abc") == 1


def test_hostile_length_is_looked_at_only_at_the_end() -> None:
    million = "ab" * 500_000

    assert repeats_at_end(million) == 12_000 // 2
    assert packing_ratio(million) > 100
    assert packing_ratio("short") == 1.0


def rows(*lines: str) -> str:
    cells = ("".join(f"<td>{cell}</td>" for cell in line.split("|")) for line in lines)
    return HEAD + "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def test_rows_alike_but_for_a_trifle_are_doubted_only_under_the_ban() -> None:
    text = rows(
        "1|Night in a double room|120.00",
        "1|Night in a double room|120.00",
        "1|Night in a double-room|120.00",
    )
    banned = replace(raw(text), ngram_ban=True)

    assert kinds(text) == []
    assert [problem.kind for problem in reply_problems(banned, (BLOCK,), True)] == [ProblemKind.ROWS_ALTERED]


@pytest.mark.parametrize(
    "lines",
    [
        ("1|Coffee|3.00", "2|Stapler with needles|14.90", "1|Glue|2.20"),
        ("1|Night in a double room|120.00", "1|Night in a double room|120.00"),
        ("A|1", "A|2", "A|3"),
        (),
    ],
)
def test_different_equal_and_short_rows_are_no_altered_rows(lines: tuple[str, ...]) -> None:
    assert not rows_altered(rows(*lines))


def test_table_without_cells_is_a_problem() -> None:
    torn = Block("p001.b001", "table", (GridBox(0, 0, 9, 9),), "PrecisionCompression600-70096.5%10.5x")
    whole = Block("p001.b002", "table", (GridBox(0, 0, 9, 9),), "<table><tr><td>1</td></tr></table>")

    assert kinds("x", blocks=(whole, torn)) == [ProblemKind.TABLE_WITHOUT_CELLS]
    assert kinds("x", blocks=(whole,)) == []


def test_a_million_characters_of_rows_are_compared_in_no_time() -> None:
    assert not rows_altered("<tr>" * 250_000)
    assert not rows_altered("<tr>" + "<" * 1_000_000)
