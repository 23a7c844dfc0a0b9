"""Where a critical value rests on a PDF's own text, what must stand in the picture of the page, and whether it does. Pure.

A text layer may say what no glyph shows: fonts map shapes to any character, and digits may be drawn over or instead. So for
each critical value the place where it is said to stand is read again from the picture, by whoever calls this. So is the place of a critical value that
an engine read once and with little confidence: a second, larger look tells a damaged digit from a plain one. Places that failing
rules ask for are found in `second_look`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from ocr_ops.grammar.dates import find_dates
from ocr_ops.judge.evidence import NUMBERS, Paper, numbers_in, places_of, squeezed
from ocr_ops.model import (
    Block,
    Candidate,
    FieldSpec,
    GridBox,
    Kind,
    Problem,
    ProblemKind,
    ReadPage,
    Schema,
    Stage,
)

VERSION = "6"
"""Part of the step's key: change it when the same pages give other claims or doubts."""

DOUBTFUL_BELOW = 0.975
"""Confidence of an engine below which a critical value that is printed once gets a second look."""

_LONG_RUN = re.compile(r"(\d)\1\1")
"""Digits of which a quick reader may lose one."""
_WORD = re.compile(r"\S+")
_LOOKALIKES = str.maketrans("oil", "011")
"""Letters that a reader of pictures takes for digits; digits are never taken for each other."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A value of a critical field that the text of a page shows in a block; boxes are on the page's grid.

    `near` is about where the value's own words stand in the block's `box`: enough to read where glyphs are evenly wide.
    `times`: how often the block's text shows the value. `again`: an engine read it from this very picture, without confidence,
    or (`of_rule`) a rule fails with it.
    """

    field: str
    kind: Kind
    value: str
    page: int
    block: str
    box: GridBox
    near: GridBox
    times: int = 1
    again: bool = False
    of_rule: bool = False


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the picture shows at a claim's place. `instead`: the other value that every second look shows there."""

    claim: Claim
    read: str
    agrees: bool
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Result of asking the picture about a document."""

    testimonies: tuple[Testimony, ...] = ()

    @property
    def doubts(self) -> tuple[Problem, ...]:
        """A sentence for every value that the picture does not show."""
        return tuple(doubt_of(one) for one in self.testimonies if not one.agrees)

    @property
    def of_text(self) -> Witnessed:
        """The part about values of a file's own text."""
        return Witnessed(tuple(one for one in self.testimonies if not one.claim.again))

    @property
    def looks(self) -> tuple[Testimony, ...]:
        """The part about values that an engine read from the same picture."""
        return tuple(one for one in self.testimonies if one.claim.again)


def claims_of(
    schema: Schema,
    candidates: Sequence[Candidate],
    pages: Sequence[ReadPage],
    paper: Paper,
    text_pages: Collection[int],
) -> tuple[Claim, ...]:
    """One claim for each critical value that anybody proposes, at its evidence, where that stands on one of `text_pages`."""
    blocks = {block.id: block for page in pages for block in page.blocks}
    claims = (
        claim for spec in schema.fields if spec.critical for claim in _claims(spec, candidates, blocks, paper)
    )
    return tuple(dict.fromkeys(claim for claim in claims if claim.page in text_pages))


def doubtful_claims(
    schema: Schema, candidates: Sequence[Candidate], pages: Sequence[ReadPage], paper: Paper
) -> tuple[Claim, ...]:
    """One claim for each critical value that stands in one place only, where its engine was not confident."""
    blocks = {block.id: block for page in pages for block in page.blocks}
    doubtful = {name for name, one in blocks.items() if one.score is not None and one.score < DOUBTFUL_BELOW}
    claims = (
        replace(claim, again=True)
        for spec in schema.fields
        if spec.critical
        for claim in _claims(spec, candidates, blocks, paper)
        if claim.block in doubtful and len(places_of(paper, spec.kind, claim.value)) == 1
    )
    return tuple(dict.fromkeys(claims))


def suits_a_glance(claim: Claim) -> bool:
    """Whether a quick reader of plain letters may be the witness: it merges long runs of one digit, and knows no ideographs."""
    digits = "".join(character for character in claim.value if character.isdigit())
    return claim.value.isascii() and not _LONG_RUN.search(digits)


def attest(claim: Claim, read: str, paper: Paper) -> Testimony:
    """Compare what was read in the picture with a claim: the value must show as often as the text has it."""
    return Testimony(claim, read[:200], _times(paper, claim.kind, claim.value, read) >= claim.times)


def _times(paper: Paper, kind: Kind, value: str, text: str) -> int:
    """How often a text shows a value. A rate is no amount of money: "19%" is no witness for 19.00."""
    if kind in NUMBERS:
        return sum(amount.value == Decimal(value) for amount in numbers_in(paper, kind, text))
    if kind is Kind.DATE:
        return sum(day.iso == value for day in find_dates(text, paper.order))
    return _plain(text).count(_plain(value))


def _claims(
    spec: FieldSpec, candidates: Sequence[Candidate], blocks: dict[str, Block], paper: Paper
) -> Iterator[Claim]:
    readings = [one for candidate in candidates for one in candidate.readings if one.path == spec.path]
    placed = {reading.value for reading in readings if reading.blocks}
    for reading in readings:
        if not reading.blocks and reading.value in placed:
            continue  # whoever read it on the page says where
        times = partial(_times, paper, spec.kind, reading.value)
        places = [place for place in places_of(paper, spec.kind, reading.value) if times(place.raw)]
        said = [place for place in places if place.block in reading.blocks]
        for place in (said or places)[:1]:
            block = blocks[place.block]
            yield Claim(
                field=spec.path, kind=spec.kind, value=reading.value, page=place.page, block=block.id,
                box=block.boxes[0], near=_near(block, times), times=times(block.text),
            )  # fmt: skip


def _near(block: Block, times: Callable[[str], int]) -> GridBox:
    """The part of a line of type from the first to the last of the words that show a value, by the number of letters."""
    words = list(_WORD.finditer(block.text))
    for count in range(1, min(3, len(words)) + 1):
        spans = [(words[n].start(), words[n + count - 1].end()) for n in range(len(words) - count + 1)]
        found = [(start, end) for start, end in spans if times(block.text[start:end])]
        if found:
            box = block.boxes[0]
            letter = (box.x2 - box.x1) / len(block.text)
            left, right = box.x1 + letter * (found[0][0] - 2), box.x1 + letter * (found[-1][1] + 2)
            return GridBox(max(left, box.x1), box.y1, min(right, box.x2), box.y2)
    return block.boxes[0]


def _plain(text: str) -> str:
    return squeezed(text).translate(_LOOKALIKES)


def doubt_of(testimony: Testimony) -> Problem:
    """What a person should know of a place that does not show its value."""
    claim = testimony.claim
    if claim.again:
        return _read_otherwise(testimony)
    name = "the " + claim.field.strip("/").replace("_", " ")
    shown = f"reads {testimony.read[:60]!r}" if testimony.read else "shows nothing"
    detail = f"the file's text says {name} is {claim.value[:60]}, but the picture of the page {shown} there"
    return Problem(Stage.VALIDATE, ProblemKind.NOT_IN_PICTURE, detail, page=claim.page, field=claim.field)


def _read_otherwise(testimony: Testimony) -> Problem:
    claim = testimony.claim
    name = "the " + claim.field.strip("/").replace("_", " ")
    shown = f"reads {testimony.read[:60]!r}" if testimony.read else "shows nothing"
    detail = f"{name} was read as {claim.value[:60]}, but a second look at its place {shown}"
    return Problem(Stage.VALIDATE, ProblemKind.UNCONFIRMED, detail, page=claim.page, field=claim.field)
