"""A corpus of damaged replies, and every reply damaged further by a seeded hand, through all that looks at a reply."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from golden_files import GOLDEN
from ocr_ops.codec import digest_of
from ocr_ops.detectors import reply_problems
from ocr_ops.grounding import looks_stripped, parse_reply, parse_stripped
from ocr_ops.html_page import document_html
from ocr_ops.model import PageImage, PixelSize, RawPage, ReadPage, ReplyFormat
from ocr_ops.page_markdown import document_markdown
from ocr_ops.segments import segments_of

CORPUS = sorted((GOLDEN / "damaged_replies").glob("*.txt"))
SHARDS = (
    "<|ref|>",
    "<|/det|>",
    "[[1, 2, ",
    "]]",
    "<td>",
    "</table>",
    "&#x",
    "\u202e",
    "|",
    "<--- Page Split --->",
    "<script>",
    "9" * 30,
)
ROUNDS = 40
IMAGE = PageImage(1, digest_of(b"page"), "image/png", PixelSize(900, 1600))


def damaged(text: str, seed: int) -> Iterator[str]:
    """The text itself, then the text with parts cut, doubled, turned round, or pierced by shards of markup."""
    yield text
    hand = random.Random(seed)
    for _ in range(ROUNDS):
        start, end = sorted(hand.randrange(len(text) + 1) for _ in range(2))
        middle = text[start:end]
        yield hand.choice(
            (
                text[:start],
                text[:start] + text[end:],
                text[:end] + middle + text[end:],
                text[:start] + middle[::-1] + text[end:],
                text[:start] + hand.choice(SHARDS) + text[start:],
            )
        )


def read(text: str, reply_format: ReplyFormat = ReplyFormat.GROUNDING) -> ReadPage:
    raw = RawPage(1, "vllm", "model", "1", reply_format, text)
    parsed = parse_reply(raw)
    problems = reply_problems(raw, parsed.blocks, has_ink=True)
    return ReadPage(IMAGE, (digest_of(text.encode("utf-8", "replace")),), parsed.blocks, problems)


class Tags(HTMLParser):
    """What a browser would find: elements, and the attributes that could run something or fetch something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.risky: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [
            name
            for name, _ in attrs
            if name.startswith("on") or (name in ("href", "src") and not _inside(attrs))
        ]
        if tag in ("script", "iframe", "img", "object", "embed", "link") or names:
            self.risky.append(f"{tag} {names}")


def _inside(attrs: list[tuple[str, str | None]]) -> bool:
    """Whether an address is one of the page's own places."""
    return all((value or "").startswith("#") for name, value in attrs if name in ("href", "src"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_damage_never_breaks_what_reads_and_shows_a_reply(path: Path) -> None:
    for text in damaged(path.read_text(encoding="utf-8"), seed=len(path.stem)):
        page = read(text)
        segments = segments_of(page.blocks)
        html = document_html(path.stem, [page])

        assert all(
            0 <= s.box.x1 <= s.box.x2 <= 999 and 0 <= s.box.y1 <= s.box.y2 <= 999.001 for s in segments
        )
        assert len({block.id for block in page.blocks}) == len(page.blocks)
        assert Tags(html).risky == []
        assert isinstance(document_markdown([page]), str)
        assert looks_stripped(text) in (True, False)
        assert len(parse_stripped(text, 1).blocks) <= text.count("[") + 1


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_no_number_outside_a_box_is_lost_or_made_up(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    raw = RawPage(1, "vllm", "model", "1", ReplyFormat.GROUNDING, text)

    parsed = parse_reply(raw)

    kept = "\n".join([*(f"{block.label}\n{block.text}" for block in parsed.blocks), *parsed.stray])
    amounts = re.findall(r"\d+[.,]\d{2}\b", text)
    assert [kept.count(amount) for amount in amounts] == [text.count(amount) for amount in amounts]


def test_the_corpus_has_every_kind_of_damage_that_was_seen() -> None:
    kinds = {
        problem.kind.value for path in CORPUS for problem in read(path.read_text(encoding="utf-8")).problems
    }

    assert {"loop", "markup_stripped"} <= kinds
