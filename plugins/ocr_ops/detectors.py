"""What is wrong with a model's reply for one page, by the reply alone. Pure, linear in the reply's length.

In: the reply as it came, the blocks parsed from it, whether the picture has ink. Out: problems of the READ stage.
Replies of engines that do not generate text (`ReplyFormat.LINES`) cannot loop; equal lines are then printed lines.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from rapidfuzz import fuzz

from ocr_ops.grounding import looks_stripped
from ocr_ops.model import Block, Problem, ProblemKind, RawPage, ReplyFormat, Stage
from ocr_ops.table_cells import table_without_cells

TAIL_CHARS = 12_000
LEAST_REPEATS = 6
LEAST_REPEATED_CHARS = 240
LOOP_RATIO = 12.0
"""Text that packs to less than a twelfth says little new. A table of 150 varied rows packs to a fifth, but 120 rows of
the same product to a 26th: so this speaks only of replies that did not end by themselves."""
LEAST_PACKED_CHARS = 1500

CURABLE = frozenset({
    ProblemKind.CUT_OFF,
    ProblemKind.LOOP,
    ProblemKind.NO_TEXT,
    ProblemKind.TABLE_WITHOUT_CELLS,
    ProblemKind.ROWS_ALTERED,
})  # fmt: skip
"""Problems that another try with another request may cure."""
TOO_MUCH = frozenset({ProblemKind.CUT_OFF, ProblemKind.LOOP})
"""Problems that showing less of the page at once may cure."""

SIMILAR_ROWS = 90.0
"""Likeness, of 100, at which two rows differ as by one forbidden token."""
ROWS_BACK = 3
_LEAST_ROW_CHARS, _MOST_ROW_CHARS = 12, 400
_ROW = re.compile(r"<tr(?=[\s>])", re.IGNORECASE)
_TAGS = re.compile(r"<[^<>]{0,200}>")


def reply_problems(raw: RawPage, blocks: Sequence[Block], has_ink: bool) -> tuple[Problem, ...]:
    """Everything that is wrong with a reply; empty for a good one. `has_ink`: the picture is not blank."""
    found: list[tuple[ProblemKind, str]] = []
    if raw.reply_format is not ReplyFormat.LINES:
        found += _generated_problems(raw, blocks)
    if has_ink and says_nothing(raw, blocks):
        found.append((ProblemKind.NO_TEXT, "nothing was read on a page that is not blank"))
    return tuple(Problem(Stage.READ, kind, detail, page=raw.page) for kind, detail in found)


def says_nothing(raw: RawPage, blocks: Sequence[Block]) -> bool:
    """Whether a reply has neither blocks nor any text without a place."""
    return not blocks and not raw.text.strip(" \n\t[]")


def repeats_at_end(text: str) -> int:
    """How often the last words of `text` stand there one after the other, exactly; 1 when they do not repeat.

    Only the last `TAIL_CHARS` characters are looked at, and only a repetition of some length counts.
    """
    tail = text.rstrip()[-TAIL_CHARS:]
    # what repeats so long has its last characters once more, one round before
    last = tail[-LEAST_REPEATED_CHARS // LEAST_REPEATS :]
    if tail.find(last) >= len(tail) - len(last):
        return 1
    most = 1
    for period, shared in enumerate(_shared_with_start(tail[::-1])):
        length = period + shared
        if period and length >= LEAST_REPEATED_CHARS and length // period >= LEAST_REPEATS:
            most = max(most, length // period)
    return most


def packing_ratio(text: str) -> float:
    """How many characters of the end of `text` go into one byte when packed; high for text that goes in circles."""
    tail = text[-TAIL_CHARS:].encode()
    return len(tail) / len(zlib.compress(tail, 6)) if len(tail) >= LEAST_PACKED_CHARS else 1.0


def rows_altered(text: str) -> bool:
    """Whether a table row repeats one of the rows before it but for a trifle, as under a ban on repeating tokens."""
    rows = [_words(row) for row in _ROW.split(text)[1:]]
    for place, row in enumerate(rows):
        for before in rows[max(0, place - ROWS_BACK) : place]:
            alike = len(row) >= _LEAST_ROW_CHARS and row != before
            if alike and fuzz.ratio(row, before, score_cutoff=SIMILAR_ROWS):
                return True
    return False


def _words(row: str) -> str:
    return " ".join(_TAGS.sub(" ", row[: 4 * _MOST_ROW_CHARS]).split())[:_MOST_ROW_CHARS]


def _generated_problems(raw: RawPage, blocks: Sequence[Block]) -> list[tuple[ProblemKind, str]]:
    found: list[tuple[ProblemKind, str]] = []
    repeats = repeats_at_end(raw.text)
    if raw.finish_reason == "repetition" or repeats > 1:
        found.append((ProblemKind.LOOP, f"the reply ends in the same words {repeats} times over"))
    elif raw.finish_reason == "length" and packing_ratio(raw.text) >= LOOP_RATIO:
        found.append((ProblemKind.LOOP, "the end of the reply goes in circles"))
    if raw.finish_reason == "length":
        found.append((ProblemKind.CUT_OFF, "the reply was cut off before it was complete"))
    elif raw.finish_reason not in ("stop", "repetition"):
        found.append((ProblemKind.CUT_OFF, f"the reply ended early ({raw.finish_reason[:40]})"))
    if looks_stripped(raw.text):
        detail = (
            "the reply came without its markup: the server drops special tokens, so cells and boxes are lost"
        )
        found.append((ProblemKind.MARKUP_STRIPPED, detail))
    if raw.ngram_ban and rows_altered(raw.text):
        detail = "rows that are alike but for a trifle, read while repeated words were forbidden, may have been altered"
        found.append((ProblemKind.ROWS_ALTERED, detail))
    if any(table_without_cells(block) for block in blocks):
        found.append((ProblemKind.TABLE_WITHOUT_CELLS, "a table came without its cells"))
    return found + _counted(raw)


def _counted(raw: RawPage) -> list[tuple[ProblemKind, str]]:
    """A server that counts other tokens than the picture must take sees another picture than was sent."""
    fewest, most = raw.expected_tokens
    if not most or not raw.prompt_tokens or fewest <= raw.prompt_tokens <= most:
        return []
    detail = (
        f"the server counted {raw.prompt_tokens} prompt tokens where the picture takes {fewest} to {most}: it serves "
        "another model than its name says, or prepares pictures differently"
    )
    return [(ProblemKind.WRONG_PROCESSOR, detail)]


def _shared_with_start(text: str) -> list[int]:
    """For every place of `text`, how many characters from there equal its beginning (Z function)."""
    size = len(text)
    shared = [0] * size
    left = right = 0
    for place in range(1, size):
        length = min(right - place, shared[place - left]) if place < right else 0
        while place + length < size and text[length] == text[place + length]:
            length += 1
        shared[place] = length
        if place + length > right:
            left, right = place, place + length
    return shared
