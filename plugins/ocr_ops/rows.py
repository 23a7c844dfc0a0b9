"""Turn an outcome into rows for the warehouse's tables.

An `Outcome` and the `Shape`s of the typed tables come in; `DocumentRows` goes out, table by table, as plain
dictionaries of Python values (`Decimal`, `date`, text that Postgres can store). No database, no clock: what depends
on the run or on the time is added by the loader. A value that fits no column becomes a `Problem`, never an error,
and takes the acceptance of its document away.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from ocr_ops.cells import Cell, storable, storable_json, typed
from ocr_ops.codec import canonical_json, digest_of, to_json, to_plain
from ocr_ops.finance_rows import duplicate_keys, party_rows, tax_rows
from ocr_ops.geometry import to_pixels
from ocr_ops.model import (
    Block,
    Digest,
    Evidence,
    GridBox,
    Outcome,
    Problem,
    ProblemKind,
    RawPage,
    ReadPage,
    Record,
    Stage,
    Status,
)

Row = dict[str, Any]

_PAGE_IN_ROLE = re.compile(r"(?:^|/)page/(\d{1,6})(?=/|$)")
_COUNTER_IN_ROLE = re.compile(r"/\d{1,6}(?=/|$)")
_STEPS = {step: Decimal(step) for step in ("0.01", "0.001", "0.0001")}
_RECORD, _PAGES = "extraction.records", "ingest.pages"

_MEDIA_TYPES = {
    "page/html": "text/html",
    "html": "text/html",
    "markdown": "text/markdown",
    "page/markdown": "text/markdown",
    "page/overlay": "image/png",
    "page/figure": "image/png",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The typed tables of one document type: their names, and their columns by field name."""

    header_table: str
    lines_table: str
    header: Mapping[str, Cell]
    lines: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One question to a model: `digest` names the stored request and reply, `seconds` is from sending to the whole reply."""

    digest: Digest
    stage: Stage
    engine: str
    model: str
    prompt_version: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """What the audit store knows and an outcome does not say.

    The readings by digest, sizes in bytes, the looks of pages by number (`picture_hash.difference_hash`), and
    what was asked of models.
    """

    raw_pages: Mapping[Digest, RawPage] = field(default_factory=dict)
    sizes: Mapping[Digest, int] = field(default_factory=dict)
    picture_hashes: Mapping[int, int] = field(default_factory=dict)
    calls: tuple[ModelCall, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentRows:
    """One document as rows. `children` are the rows of one version, by table; `extraction.records` always has one.

    `content_digest` is over what was read and judged, not over what is worked out from it, so that a later release
    which works out more still finds a document unchanged.
    """

    key: str
    uri_key: str
    status: Status
    content_digest: Digest
    document: Row
    sighting: Row
    children: Mapping[str, tuple[Row, ...]]
    artifacts: tuple[Row, ...]
    links: tuple[Row, ...]
    calls: tuple[Row, ...]
    manifest: Digest | None


def uri_key(uri: str) -> str:
    """Name a place rather than bytes: `uri:` and the sha256 of the URI."""
    return "uri:" + hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()


def document_key(outcome: Outcome) -> str:
    """The natural key: the file's digest; its place when it could not be read or only repeats another file."""
    repeats = any(problem.kind is ProblemKind.DUPLICATE for problem in outcome.problems)
    return uri_key(outcome.uri) if outcome.digest is None or repeats else outcome.digest


def rows_of(outcome: Outcome, shapes: Mapping[str, Shape], extras: Extras | None = None) -> DocumentRows:
    """Lay an outcome out as rows; `shapes` are the typed tables by document type."""
    key, extras, record = document_key(outcome), extras or Extras(), outcome.record
    record_digest = _record_digest(record) if record else None
    typed_tables, misfits = _typed_rows(record, record_digest, shapes)
    status = Status.NEEDS_REVIEW if misfits and outcome.status is Status.ACCEPTED else outcome.status
    children = {
        _PAGES: tuple(_page_row(page, extras.raw_pages) for page in outcome.pages),
        "extraction.problems": _problem_rows(outcome, misfits),
        **(_record_rows(record, record_digest, outcome.pages, status) if record else {}),
        **typed_tables,
    }
    children = {
        table: tuple({"document_key": key, **row} for row in rows) for table, rows in children.items()
    }
    document = _document_row(outcome, key, status)
    content = {"document": _lasting(document), **children}
    return DocumentRows(
        key=key,
        uri_key=uri_key(outcome.uri),
        status=status,
        content_digest=_digest_of_rows(content),
        document=document,
        sighting=sighting_row(key, outcome.uri, outcome.name),
        children={**children, **_worked_out(outcome, document, children, extras)},
        artifacts=_artifact_rows(outcome, extras.sizes),
        links=_link_rows(outcome, key),
        calls=tuple(_call_row(call, key) for call in extras.calls),
        manifest=outcome.artifacts.get("manifest"),
    )


def _worked_out(
    outcome: Outcome, document: Row, children: Mapping[str, tuple[Row, ...]], extras: Extras
) -> dict[str, tuple[Row, ...]]:
    """Rows that follow from the others: not part of the content digest."""
    key, hashes = document["document_key"], extras.picture_hashes
    values = outcome.record.values if outcome.record else {}
    made = {
        "extraction.parties": party_rows(values),
        "extraction.taxes": tax_rows(values),
        "extraction.duplicate_keys": duplicate_keys(values, hashes.get(1)),
    }
    bare = {"document_key": key, "status": document["status"], "doc_type": document["doc_type"]}
    record = children.get(_RECORD, (bare,))[0]
    return {
        **{table: tuple({"document_key": key, **row} for row in rows) for table, rows in made.items()},
        _PAGES: tuple({**row, "picture_hash": hashes.get(row["page"])} for row in children[_PAGES]),
        _RECORD: (
            {**record, "manifest_digest": outcome.artifacts.get("manifest"), "kept": outcome.artifacts},
        ),
    }


def sighting_row(key: str, uri: str, name: str) -> Row:
    """Where a document was found."""
    return {"document_key": key, "uri_key": uri_key(uri), "uri": storable(uri), "name": storable(name)}


# --- the document and its pages ---


def _document_row(outcome: Outcome, key: str, status: Status) -> Row:
    record = outcome.record
    return {
        "document_key": key,
        "digest": outcome.digest,
        "uri": storable(outcome.uri),
        "name": storable(outcome.name),
        "media_type": outcome.media_type and storable(outcome.media_type, 120),
        "size_bytes": outcome.size_bytes,
        "page_count": len(outcome.pages),
        "status": status.value,
        "doc_type": record.doc_type if record else outcome.doc_type,
    }


def _lasting(document: Row) -> Row:
    """What a document is wherever it lies: the same bytes at a second place have not changed."""
    return {name: value for name, value in document.items() if name not in ("uri", "name")}


def _page_row(page: ReadPage, raw_pages: Mapping[Digest, RawPage]) -> Row:
    image = page.image
    raw = raw_pages.get(page.attempts[-1]) if page.attempts else None
    return {
        "page": image.number,
        "picture_digest": image.digest,
        "width_px": image.size.width,
        "height_px": image.size.height,
        "dpi": _decimal(image.dpi, "0.01") if image.dpi else None,
        "turn": image.turn,
        "blocks": len(page.blocks),
        "engine": storable(raw.engine, 80) if raw else None,
        "engine_version": storable(raw.version, 80) if raw else None,
        "model": storable(raw.model, 200) if raw else None,
        "attempts": len(page.attempts),
    }


def _problem_rows(outcome: Outcome, misfits: tuple[Problem, ...]) -> tuple[Row, ...]:
    found = [*outcome.problems]
    for page in outcome.pages:
        found += [replace(p, page=p.page or page.image.number) for p in page.problems]
    found += [*(outcome.record.problems if outcome.record else ()), *misfits]
    return tuple(
        {
            "position": position,
            "stage": problem.stage.value,
            "kind": problem.kind.value,
            "page": problem.page,
            "field": problem.field and storable(problem.field, 300),
            "detail": storable(problem.detail, 2_000),
        }
        for position, problem in enumerate(dict.fromkeys(found), 1)
    )


# --- the record, field by field ---


def _record_rows(
    record: Record, record_digest: Digest | None, pages: tuple[ReadPage, ...], status: Status
) -> dict[str, tuple[Row, ...]]:
    values = dict(_leaves(record.values))
    evidence = {found.field: found for found in record.evidence}
    pointers = tuple(dict.fromkeys([*values, *evidence]))
    places = {block.id: (page, block) for page in pages for block in page.blocks}
    numbers = {page.image.number for page in pages}
    header = {
        "record_digest": record_digest,
        "doc_type": record.doc_type,
        "schema_version": record.schema_version,
        "schema_fingerprint": record.schema_fingerprint,
        "status": status.value,
        "readers": [storable(reader, 80) for reader in record.readers],
        "values": storable_json(record.values),
    }
    return {
        "extraction.records": (header,),
        "extraction.fields": tuple(
            _field_row(pointer, position, values.get(pointer), evidence.get(pointer))
            for position, pointer in enumerate(pointers, 1)
        ),
        "extraction.field_boxes": tuple(
            row for found in evidence.values() for row in _box_rows(found, places, numbers)
        ),
        "extraction.rule_results": tuple(
            {
                "position": position,
                "rule": storable(result.rule, 120),
                "holds": result.holds,
                "fields": [storable(pointer, 300) for pointer in result.fields],
                "detail": storable(result.detail, 2_000),
            }
            for position, result in enumerate(record.rules, 1)
        ),
    }


def _record_digest(record: Record) -> Digest:
    try:
        return digest_of(to_json(record))
    except UnicodeEncodeError:  # half a surrogate pair: no canonical form, so that of what is stored
        return digest_of(canonical_json(storable_json(to_plain(record))))


def _leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of plain JSON with its JSON pointer; null leaves are left out."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{pointer}/{index}")
    elif value is not None:
        yield pointer, value if isinstance(value, str) else canonical_json(value).decode()


def _field_row(pointer: str, position: int, value: str | None, found: Evidence | None) -> Row:
    return {
        "field": storable(pointer, 300),
        "position": position,
        "value": None if value is None else storable(value),
        "match": found.match.value if found else None,
        "page": found.page if found else None,
        "raw": storable(found.raw) if found and found.raw else None,
    }


def _box_rows(
    found: Evidence, places: Mapping[str, tuple[ReadPage, Block]], numbers: Collection[int]
) -> list[Row]:
    rows: list[Row] = []
    found = found if found.page in numbers else replace(found, page=None)
    for block_id in dict.fromkeys(found.blocks):
        page, block = places.get(block_id, (None, None))
        for box in block.boxes if block and block.boxes else (None,):
            rows.append({"position": len(rows) + 1, **_box_row(found, block_id, page, block, box)})
    return rows


def _box_row(
    found: Evidence, block_id: str, page: ReadPage | None, block: Block | None, box: GridBox | None
) -> Row:
    pixels = to_pixels(box, page.image.size) if box and page else None
    return {
        "field": storable(found.field, 300),
        "block_id": storable(block_id, 80),
        "page": page.image.number if page else found.page,
        "box_grid": [_decimal(side, "0.01") for side in (box.x1, box.y1, box.x2, box.y2)] if box else None,
        "box_px": [pixels.x1, pixels.y1, pixels.x2, pixels.y2] if pixels else None,
        "score": _decimal(block.score, "0.0001") if block and block.score is not None else None,
    }


# --- typed tables ---


def _typed_rows(
    record: Record | None, record_digest: Digest | None, shapes: Mapping[str, Shape]
) -> tuple[dict[str, tuple[Row, ...]], tuple[Problem, ...]]:
    shape = shapes.get(record.doc_type) if record else None
    if record is None or shape is None:
        return {}, ()
    misfits: list[Problem] = []
    header = _typed_row(record.values, shape.header, "", misfits)
    items = record.values.get("line_items") or ()
    lines = tuple(
        {"line_no": number, **_typed_row(item, shape.lines, f"/line_items/{number - 1}", misfits)}
        for number, item in enumerate(items, 1)
        if isinstance(item, Mapping)
    )
    header = {"record_digest": record_digest, **header}
    return {shape.header_table: (header,), shape.lines_table: lines}, tuple(misfits)


def _typed_row(
    values: Mapping[str, Any], cells: Mapping[str, Cell], pointer: str, misfits: list[Problem]
) -> Row:
    row: Row = {}
    for name, cell in cells.items():
        given = values.get(name)
        try:
            row[name] = None if given is None else typed(given, cell)
        except ValueError as reason:
            row[name] = None
            detail = f"This value could not be stored as {cell.kind.value}: {reason}"
            misfits.append(
                Problem(Stage.LOAD, ProblemKind.SCHEMA, storable(detail, 300), field=f"{pointer}/{name}")
            )
    return row


# --- what was kept ---


def kind_of_role(role: str) -> str:
    """The role without its numbers: `page/3/picture` is a `page/picture`."""
    return _COUNTER_IN_ROLE.sub("", role)


def _artifact_rows(outcome: Outcome, sizes: Mapping[Digest, int]) -> tuple[Row, ...]:
    rows: dict[str, Row] = {}
    pictures = {page.image.digest: page.image.media_type for page in outcome.pages}
    for role, digest in sorted(outcome.artifacts.items()):
        kind = kind_of_role(role)
        source = kind == "source"
        media_type = (outcome.media_type if source else pictures.get(digest)) or _media_type(kind)
        size = sizes.get(digest, outcome.size_bytes if source else None)
        row = {"digest": digest, "kind": kind, "media_type": storable(media_type, 120), "size_bytes": size}
        rows.setdefault(digest, row)
    return tuple(rows[digest] for digest in sorted(rows))


def _call_row(call: ModelCall, key: str) -> Row:
    return {
        "digest": call.digest,
        "document_key": key,
        "page": call.page,
        "stage": call.stage.value,
        "engine": storable(call.engine, 80),
        "model": storable(call.model, 200),
        "prompt_version": call.prompt_version and storable(call.prompt_version, 80),
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "seconds": _decimal(call.seconds, "0.001"),
    }


def _media_type(kind: str) -> str:
    return _MEDIA_TYPES.get(kind, "application/octet-stream" if kind == "source" else "application/json")


def _link_rows(outcome: Outcome, key: str) -> tuple[Row, ...]:
    return tuple(
        {"document_key": key, "role": role, "digest": digest, "page": _page_of_role(role)}
        for role, digest in sorted(outcome.artifacts.items())
    )


def _page_of_role(role: str) -> int | None:
    found = _PAGE_IN_ROLE.search(role)
    return int(found[1]) if found else None


# --- plain values ---


def _decimal(number: float, step: str) -> Decimal:
    try:
        return Decimal(str(number)).quantize(_STEPS[step])
    except InvalidOperation as problem:
        raise ValueError(f"{number!r} is not a finite number") from problem


def _digest_of_rows(content: Row) -> Digest:
    """Name what rows say. One pass over the canonical form of `codec`; decimals and dates as their text."""
    words = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str
    )
    return digest_of(words.encode())
