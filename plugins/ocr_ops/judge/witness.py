"""Where a critical value rests on a PDF's own text, what must stand in the picture of the page, and whether it does. Pure.

A text layer may say what no glyph shows: fonts map shapes to any character, and digits may be drawn over or instead. So for
each critical value the place where it is said to stand is read again from the picture, by whoever calls this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from ocr_ops.judge.evidence import CODES, Paper, find_evidence, shows, squeezed
from ocr_ops.model import (
    Block,
    Candidate,
    FieldSpec,
    GridBox,
    Kind,
    Match,
    Problem,
    ProblemKind,
    ReadPage,
    Schema,
    Stage,
)

VERSION = "1"
"""Part of the step's key: change it when the same pages give other claims or doubts."""

_WORD = re.compile(r"\S+")
_LOOKALIKES = str.maketrans("oil", "011")
"""Letters that a reader of pictures takes for digits; digits are never taken for each other."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A value of a critical field that the text of a page shows in a block; boxes are on the page's grid.

    `near` is about where the value's own words stand in the block's `box`: enough to read where glyphs are evenly wide.
    """

    field: str
    kind: Kind
    value: str
    page: int
    block: str
    box: GridBox
    near: GridBox


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the picture shows at a claim's place."""

    claim: Claim
    read: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Result of asking the picture about a document."""

    testimonies: tuple[Testimony, ...] = ()

    @property
    def doubts(self) -> tuple[Problem, ...]:
        """A sentence for every value that the picture does not show."""
        return tuple(_doubt(one) for one in self.testimonies if not one.agrees)


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


def testify(claim: Claim, read: str, paper: Paper) -> Testimony:
    """Compare what was read in the picture with a claim."""
    agrees = shows(paper, claim.kind, claim.value)(read) is not None
    if claim.kind in CODES:
        agrees = agrees or _plain(claim.value) in _plain(read)
    return Testimony(claim, read[:200], agrees)


def _claims(
    spec: FieldSpec, candidates: Sequence[Candidate], blocks: dict[str, Block], paper: Paper
) -> Iterator[Claim]:
    readings = [one for candidate in candidates for one in candidate.readings if one.path == spec.path]
    placed = {reading.value for reading in readings if reading.blocks}
    for reading in readings:
        if not reading.blocks and reading.value in placed:
            continue  # whoever read it on the page says where
        evidence = find_evidence(paper, spec.path, spec.kind, reading.value, reading.blocks)
        for name in evidence.blocks[:1]:
            block = blocks[name]
            near = _near(block, shows(paper, spec.kind, reading.value))
            yield Claim(spec.path, spec.kind, reading.value, evidence.page or 0, name, block.boxes[0], near)


def _near(block: Block, shown: Callable[[str], Match | None]) -> GridBox:
    """The part of a line of type that holds the fewest words which show a value, by the number of letters."""
    words = list(_WORD.finditer(block.text))
    spans = (words[n : n + count] for count in range(1, 4) for n in range(len(words) - count + 1))
    found = next((span for span in spans if shown(block.text[span[0].start() : span[-1].end()])), words)
    box = block.boxes[0]
    if not found:
        return box
    letter = (box.x2 - box.x1) / len(block.text)
    left, right = box.x1 + letter * (found[0].start() - 2), box.x1 + letter * (found[-1].end() + 2)
    return GridBox(max(left, box.x1), box.y1, min(right, box.x2), box.y2)


def _plain(text: str) -> str:
    return squeezed(text).translate(_LOOKALIKES)


def _doubt(testimony: Testimony) -> Problem:
    claim = testimony.claim
    name = "the " + claim.field.strip("/").replace("_", " ")
    shown = f"reads {testimony.read[:60]!r}" if testimony.read else "shows nothing"
    detail = f"the file's text says {name} is {claim.value[:60]}, but the picture of the page {shown} there"
    return Problem(Stage.VALIDATE, ProblemKind.NOT_IN_PICTURE, detail, page=claim.page, field=claim.field)
