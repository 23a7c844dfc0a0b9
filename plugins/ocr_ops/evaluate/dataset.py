"""A file of labelled documents -> cases to score.

One JSON object a line: `file` (relative to the dataset's folder), `doc_type`, `truth` (field -> value in the schema's form), and
optionally `id`, `source`, `not_printed` (fields that the paper does not show), `match_merchant` ("contains", "skip"), `boxes_file`
(where the words stand). A field that is absent or null was not labelled and is not scored. Raises DatasetError; reads
nothing but the dataset and, on demand, its boxes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_ops.errors import TerminalError
from ocr_ops.geometry import to_grid
from ocr_ops.model import Block, GridBox

Item = Mapping[str, str]
"""One line item: column -> value in schema form."""

_NAME = re.compile(r"\w+(\.\w+)?")


class DatasetError(TerminalError):
    """A dataset cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled document. `line_items` None: not labelled. `contains`: fields whose truth is only a part of the value."""

    id: str
    source: str
    path: Path
    doc_type: str
    truth: dict[str, str]
    line_items: tuple[dict[str, str], ...] | None = None
    contains: frozenset[str] = frozenset()
    boxes_file: Path | None = None


@dataclass(frozen=True, slots=True)
class TrueBoxes:
    """Where words stand on the upright page: as blocks to search, and exactly by field where the dataset says so."""

    lines: tuple[Block, ...]
    fields: dict[str, tuple[GridBox, ...]] = field(default_factory=dict)


def read_dataset(path: Path) -> tuple[Case, ...]:
    """Every case of a dataset, in the file's order."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise DatasetError(f"{path} cannot be read: {problem.strerror}") from problem
    cases = tuple(_case(path, number, line) for number, line in enumerate(lines, start=1) if line.strip())
    if not cases:
        raise DatasetError(f"{path} holds no documents")
    return cases


def read_boxes(case: Case) -> TrueBoxes | None:
    """Where the words of a case stand, or None where nobody noted it; boxes of a one-page document only."""
    if case.boxes_file is None or not case.boxes_file.is_file():
        return None
    try:
        noted = json.loads(case.boxes_file.read_text(encoding="utf-8"))
        size = float(noted["width"]), float(noted["height"])
        placed = [(one, _on_grid(one["box"], *size)) for one in noted["boxes"]]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DatasetError(f"{case.boxes_file} is not a file of boxes: {problem}") from problem
    lines = tuple(
        Block(f"t{n}", "text", (box,), str(one["text"]))
        for n, (one, box) in enumerate(placed)
        if one.get("text")
    )
    fields: dict[str, tuple[GridBox, ...]] = {}
    for one, box in placed:
        if one.get("field"):
            fields[one["field"]] = (*fields.get(one["field"], ()), box)
    return TrueBoxes(lines, fields)


def _on_grid(corners: Sequence[Any], width: float, height: float) -> GridBox:
    x1, y1, x2, y2 = map(float, corners)
    return to_grid(x1, y1, x2, y2, width, height)


def _case(path: Path, number: int, line: str) -> Case:
    try:
        entry = json.loads(line)
        file, doc_type, truth = entry["file"], entry["doc_type"], entry["truth"]
    except (ValueError, KeyError, TypeError) as problem:
        raise DatasetError(f"{path}:{number} needs file, doc_type and truth: {problem}") from problem
    hidden = _not_printed(entry.get("not_printed", ()))
    how = entry.get("match_merchant", "")
    hidden |= {"merchant_name"} if how == "skip" else set()
    boxes = entry.get("boxes_file")
    return Case(
        id=str(entry.get("id") or Path(file).stem),
        source=_source(entry, path),
        path=path.parent / file,
        doc_type=doc_type,
        truth={
            n: v
            for n, v in truth.items()
            if isinstance(v, str) and not n.endswith("_raw") and n not in hidden
        },
        line_items=_items(truth.get("line_items"), hidden),
        contains=frozenset({"merchant_name"} if how == "contains" else ()),
        boxes_file=path.parent / boxes if boxes else None,
    )


def _source(entry: Mapping[str, Any], path: Path) -> str:
    source = str(entry.get("source") or path.stem)
    layout = entry.get("layout")
    return f"{source}/{layout}" if layout and layout != "invoice" else source


def _not_printed(names: Sequence[str]) -> set[str]:
    """Names of fields; a remark in brackets behind a name says why and does not count."""
    return {match.group() for match in map(_NAME.match, names) if match}


def _items(items: Any, hidden: set[str]) -> tuple[dict[str, str], ...] | None:
    if not isinstance(items, list) or not items or "line_items" in hidden:
        return None
    columns = {name.removeprefix("line_items.") for name in hidden}
    return tuple(
        {name: value for name, value in item.items() if isinstance(value, str) and name not in columns}
        for item in items
    )
