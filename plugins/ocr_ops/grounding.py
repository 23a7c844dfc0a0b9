"""An engine's reply for one page -> blocks with places, and what could not be placed.

In: a `RawPage` in any `ReplyFormat`. Out: `Parsed`: blocks in the reply's order with ids "p001.b001", and stray text.
Total: any text gives an answer, no word of it is lost, nothing is evaluated, time is linear in its length. It does not
judge the reply (loops, cuts: `detectors`) and does not clean the text beyond characters that nothing can store.

How damage is treated:

* four numbers make a box; corners in the wrong order are put right; up to `OVERSHOOT` beyond the grid is clipped to it.
  Further out the numbers are pixels or invention, and a clipped box would point at the wrong place: no box.
* a block with no good box is stray as a whole, label and text; among good boxes a bad one is stray alone
* text before the first block, after a page split, or between a label and its boxes is stray
* a missing closer is made up; a marker that opens nothing or closes nothing is dropped, the words around it are not
* a label nobody uses for layout, with no text behind it, is the text itself ("OCR this image" and "Locate" reply so)
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ocr_ops.model import GRID_MAX, Block, GridBox, Parsed, RawPage, ReplyFormat

VERSION = "1"

OVERSHOOT = 25
"""Grid units beyond the edge that a model's rounding explains; 1000 and 1024 for the far edge are seen."""
PAGE_SPLIT = "<--- Page Split --->"
LAYOUT_LABELS = frozenset({
    "text", "title", "sub_title", "table", "table_caption", "table_footnote", "image", "image_caption", "figure",
    "figure_caption", "header", "footer", "page_number", "equation", "formula", "list", "code", "chart", "seal",
    "reference", "footnote", "aside_text", "stamp", "signature", "logo", "barcode", "qrcode",
})  # fmt: skip
"""What models call regions; any other label without text behind it is itself the text."""

_MARK = re.compile(
    r"<[|｜] {0,2}(?P<close>/?) {0,2}(?P<kind>ref|det|grounding|end▁of▁sentence|begin▁of▁sentence) {0,2}[|｜]>"
    r"|(?P<split><-{2,5} {0,2}Page Split {0,2}-{2,5}>)"
)
_NUMBER = r"\s*+(-?\d{1,6}(?:\.\d{1,6})?)\s*+"
_FOUR = rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]"
_BOX = re.compile(_FOUR)
_BOXES_AHEAD = re.compile(rf"\s*+\[?\s*+(?:{_FOUR}\s*+,?\s*+)++\]?")
_NOTHING_LEFT = re.compile(r"[\s\[\],]*\Z")
_STRIPPED = re.compile(
    rf"^(?P<label>[^\[\n<]{{0,200}})\[\s*+(?P<boxes>(?:{_FOUR}\s*+,?\s*+)++)\]", re.MULTILINE
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_reply(raw: RawPage) -> Parsed:
    """Turn a reply into blocks and stray text; boxes are on the grid of the picture that the engine saw."""
    text = _UNSTORABLE.sub("\ufffd", raw.text)
    if raw.reply_format is ReplyFormat.LINES:
        return _parse_lines(text, raw.page)
    if raw.reply_format is ReplyFormat.TEXT and not _MARK.search(text):
        return _parse_text(text, raw.page)
    return _Markup(raw.page).parse(text)


def looks_stripped(text: str) -> bool:
    """Whether a grounded reply lost its special tokens on the way (`text[[115, 441, 881, 522]]` at a line's start)."""
    return not any(mark["kind"] in ("ref", "det") for mark in _MARK.finditer(text)) and bool(
        _STRIPPED.search(text)
    )


def parse_stripped(text: str, page: int) -> Parsed:
    """Read a reply without special tokens, to diagnose it: cell borders are gone too, so never load what this gives."""
    text = _UNSTORABLE.sub("\ufffd", text)
    result = _Blocks(page)
    heads = list(_STRIPPED.finditer(text))
    result.stray(text[: heads[0].start()] if heads else text)
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=False):
        body = text[head.end() : end]
        boxes, leftover = _boxes(head["boxes"])
        result.stray(leftover if boxes else "")
        result.block(head["label"], boxes, body, stray_boxes=head["boxes"])
    return result.parsed()


class _Blocks:
    """Numbers blocks as they come and gathers what has no place."""

    def __init__(self, page: int) -> None:
        self._page = page
        self._blocks: list[Block] = []
        self._stray: list[str] = []

    def parsed(self) -> Parsed:
        return Parsed(tuple(self._blocks), tuple(self._stray))

    def stray(self, text: str) -> None:
        if text := text.strip():
            self._stray.append(text)

    def add(self, label: str, boxes: tuple[GridBox, ...], text: str, score: float | None = None) -> None:
        number = len(self._blocks) + 1
        self._blocks.append(Block(f"p{self._page:03d}.b{number:03d}", label, boxes, text, score))

    def block(self, label: str, boxes: tuple[GridBox, ...], text: str, *, stray_boxes: str) -> None:
        """Add what a model named and placed; without a place it is stray, its `stray_boxes` with it."""
        label, text = label.strip(), text.strip()
        if not boxes:
            self.stray("\n".join(part for part in (f"{label} {stray_boxes.strip()}".strip(), text) if part))
        elif label and not text and label.casefold() not in LAYOUT_LABELS:
            self.add("text", boxes, label)
        else:
            self.add(label or "text", boxes, text)


@dataclass(slots=True)
class _Open:
    """The block being read."""

    label: str = ""
    boxes: str = ""


class _Markup:
    """A walk over the markers of a grounded reply; `_state` says what the text after the last marker is."""

    def __init__(self, page: int) -> None:
        self._result = _Blocks(page)
        self._open: _Open | None = None
        self._state = "body"
        self._body: list[str] = []

    def parse(self, text: str) -> Parsed:
        place = 0
        for mark in _MARK.finditer(text):
            self._text(text[place : mark.start()])
            self._mark(mark)
            place = mark.end()
        self._text(text[place:])
        self._end_block()
        return self._result.parsed()

    def _text(self, text: str) -> None:
        match self._state:
            case "body":
                self._body.append(text)
            case "label" if self._open:
                self._open.label = text
            case "boxes" if self._open:
                self._open.boxes = text
            case _:
                self._result.stray(text)

    def _mark(self, mark: re.Match[str]) -> None:
        match mark["kind"], bool(mark["close"]):
            case "ref", False:
                self._end_block()
                self._open, self._state = _Open(), "label"
            case "ref", True if self._state == "label":
                self._state = "between"
            case "det", False:
                self._start_boxes()
            case "det", True if self._state == "boxes":
                self._state = "body"
            case None, _:
                self._end_block()
            case _:
                self._settle()

    def _start_boxes(self) -> None:
        if self._state not in ("label", "between"):
            self._end_block()
            self._open = _Open()
        self._state = "boxes"

    def _settle(self) -> None:
        """A marker without a meaning here: boxes that were open end at their bracket, the rest is text."""
        if self._state == "boxes" and self._open:
            ahead = _BOXES_AHEAD.match(self._open.boxes)
            end = ahead.end() if ahead else len(self._open.boxes)
            self._body.append(self._open.boxes[end:])
            self._open.boxes = self._open.boxes[:end]
        self._state = "body"

    def _end_block(self) -> None:
        self._settle()
        body, self._body = "".join(self._body), []
        block, self._open = self._open, None
        if block is None:
            self._result.stray(body)
            return
        boxes, leftover = _boxes(block.boxes)
        self._result.stray(leftover if boxes else "")
        self._result.block(block.label, boxes, body, stray_boxes=block.boxes)


def _boxes(text: str) -> tuple[tuple[GridBox, ...], str]:
    """The good boxes of a `[[…], …]`, and what else stood there."""
    boxes: list[GridBox] = []
    left: list[str] = []
    place = 0
    for found in _BOX.finditer(text):
        left.append(text[place : found.start()])
        box = _box(float(number) for number in found.groups())
        if box is None:
            left.append(found[0])
        else:
            boxes.append(box)
        place = found.end()
    left.append(text[place:])
    leftover = "".join(left)
    return tuple(boxes), "" if _NOTHING_LEFT.match(leftover) else leftover.strip("[], \n\t")


def _box(numbers: Iterable[float]) -> GridBox | None:
    corners = tuple(numbers)
    if len(corners) != 4 or not all(-OVERSHOOT <= n <= GRID_MAX + OVERSHOOT for n in corners):
        return None
    x1, y1, x2, y2 = (min(max(n, 0.0), float(GRID_MAX)) for n in corners)
    return GridBox(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def _parse_text(text: str, page: int) -> Parsed:
    """The whole reply as one block over the whole picture: nobody said where its words stand."""
    result = _Blocks(page)
    if text.strip():
        result.add("text", (GridBox(0, 0, GRID_MAX, GRID_MAX),), text.strip())
    return result.parsed()


def _parse_lines(text: str, page: int) -> Parsed:
    result = _Blocks(page)
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        result.stray(text)
        return result.parsed()
    for item in items:
        words, box = _line(item)
        if box is not None and words.strip():
            result.add("text", (box,), words.strip(), _score(item.get("score")))
        else:
            result.stray(words)
    return result.parsed()


def _line(item: Any) -> tuple[str, GridBox | None]:
    """The words and the place of one item; no place when anything about it is not as agreed."""
    if isinstance(item, dict) and isinstance(item.get("text"), str):
        corners = item.get("box")
        numbers = corners if isinstance(corners, list) and all(_is_number(n) for n in corners) else []
        return _UNSTORABLE.sub("\ufffd", item["text"]), _box(numbers)
    return "\n".join(_words_in(item)), None


def _words_in(value: Any) -> Iterator[str]:
    """Every string, key and number of a JSON value, without recursion."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [part for pair in one.items() for part in pair][::-1]
        elif isinstance(one, list):
            waiting += one[::-1]
        elif one is not None:
            yield _UNSTORABLE.sub("\ufffd", str(one))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e9 < value < 1e9


def _score(value: Any) -> float | None:
    return min(max(float(value), 0.0), 1.0) if _is_number(value) and not math.isnan(value) else None
