"""The story of one document -> one HTML file that needs nothing else: an auditor can keep it, and open it in ten years.

In: what the warehouse holds about the document (`Warehouse.document`), and the bytes it links to, by role. Out: HTML with the
pictures inside, without scripts and without addresses. All text of documents and models is escaped at the leaf. Only `kept_of`
reads, from the audit store.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ocr_ops.audit import AuditStore
from ocr_ops.codec import from_json
from ocr_ops.geometry import to_pixels
from ocr_ops.html_leaf import escaped
from ocr_ops.model import Digest, PixelSize, ReadPage
from ocr_ops.pipeline.story_style import STYLE

Row = Mapping[str, Any]
Story = Mapping[str, Any]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_PARTS = ("pages", "fields", "rules", "replies", "chain", "kept")
_SHOWN_PICTURES = ("image/png", "image/jpeg", "image/webp")
MOST_TEXT = 200_000
"""Characters shown of one reply or prompt; the whole is in the store under the digest beside it."""


def story_html(story: Story, kept: Mapping[str, bytes], *, written_at: datetime) -> str:
    """Lay the story out. `kept`: bytes by role, without those that retention removed. Pixels are those of the page pictures."""
    document = story["document"]
    name = escaped(str(document.get("name") or document["document_key"]))
    body = "".join(
        (
            _head(document, name),
            "<nav>" + "".join(f'<a href="#{part}">{part}</a>' for part in _PARTS) + "</nav><main>",
            _section("pages", "Pages, with the evidence of every field", "".join(_pages(story, kept))),
            '<div><section id="fields"><h2>Fields</h2>' + _fields(story) + "</section>",
            _section("rules", "Rules and problems", _rules(story)) + "</div>",
            _section("replies", "What was asked and answered", "".join(_replies(kept)), wide=True),
            _section("chain", "What happened, and the hash chain", _happened(story), wide=True),
            _section("kept", "What is kept", _kept(story, kept), wide=True),
            f'<p class="wide none">Written {escaped(written_at.isoformat(timespec="seconds"))} by ocr-ops. Every digest is '
            "the sha256 of the bytes it names.</p></main>",
        )
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_POLICY}"><meta name="viewport" content="width=device-width"><title>{name}</title>'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    )


def kept_of(store: AuditStore, story: Story) -> dict[str, bytes]:
    """The bytes of a story by role, the latest of each, without what retention removed."""
    latest = {row["role"]: Digest(row["digest"]) for row in story["links"]}
    return {role: store.get(digest) for role, digest in latest.items() if store.has(digest)}


def _section(part: str, title: str, content: str, *, wide: bool = False) -> str:
    kind = ' class="wide"' if wide else ""
    return f'<section id="{part}"{kind}><h2>{title}</h2>{content or "<p class=none>nothing</p>"}</section>'


def _head(document: Row, name: str) -> str:
    status = escaped(str(document.get("status", "")))
    facts = "".join(
        f"<span>{label} <b>{escaped(str(document[key]))}</b></span>"
        for key, label in _FACTS.items()
        if document.get(key) is not None
    )
    return (
        f'<header><h1>{name}<span class="status {status}">{status}</span></h1>'
        f"<div><code>{escaped(str(document['document_key']))}</code></div>"
        f'<div class="facts">{facts}</div></header>'
    )


_FACTS = {
    "doc_type": "type",
    "party": "from",
    "document_date": "dated",
    "total": "total",
    "currency": "in",
    "version": "version",
    "loaded_at": "loaded",
    "uri": "came from",
}


# --- pages ---


def _pages(story: Story, kept: Mapping[str, bytes]) -> Iterator[str]:
    media = {link["role"]: link["media_type"] for link in story["links"]}
    for page in story["pages"]:
        number = page["page"]
        role = f"page/{number}/upright"
        told = f"page {number}, {page['width_px']} x {page['height_px']} pixels, {page.get('engine') or ''} {page.get('model') or ''}"
        picture = '<p class="none">its picture is no longer kept</p>'
        if role in kept and media.get(role) in _SHOWN_PICTURES:
            data = base64.b64encode(kept[role]).decode()
            picture = f'<img alt="page {number}" src="data:{media[role]};base64,{data}">' + _boxes(
                story, page, kept
            )
        yield f'<figure><figcaption>{escaped(told)}</figcaption><div class="sheet">{picture}</div></figure>'


def _boxes(story: Story, page: Row, kept: Mapping[str, bytes]) -> str:
    """Every block of a page, and over them the boxes that fields rest on."""
    size = PixelSize(page["width_px"], page["height_px"])
    shapes = [_rectangle(box, "block") for box in _blocks(kept.get(f"page/{page['page']}/blocks"), size)]
    for place, box in enumerate(story["boxes"]):
        if box["page"] == page["page"] and box["box_px"]:
            title = f"<title>{escaped(box['field'])}</title>"
            shape = _rectangle(box["box_px"], "proof", f' id="box-{place}"', title)
            shapes.append(f'<a href="#{_anchor(box["field"])}">{shape}</a>')
    return f'<svg viewBox="0 0 {size.width} {size.height}" preserveAspectRatio="none">{"".join(shapes)}</svg>'


def _blocks(data: bytes | None, size: PixelSize) -> Iterator[tuple[int, int, int, int]]:
    if data is None:
        return
    for block in from_json(ReadPage, data).blocks:
        for box in block.boxes:
            pixels = to_pixels(box, size)
            yield pixels.x1, pixels.y1, pixels.x2, pixels.y2


def _rectangle(box: Sequence[int], kind: str, more: str = "", inside: str = "") -> str:
    x1, y1, x2, y2 = (int(side) for side in box)
    place = f'x="{x1}" y="{y1}" width="{max(1, x2 - x1)}" height="{max(1, y2 - y1)}"'
    return f'<rect class="{kind}"{more} {place}>{inside}</rect>'


def _anchor(field: str) -> str:
    return "field" + "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in field)


# --- fields, rules ---


def _fields(story: Story) -> str:
    boxes: dict[str, int] = {}
    for place, box in enumerate(story["boxes"]):
        boxes.setdefault(box["field"], place)
    rows = []
    for field in story["fields"]:
        name = field["field"]
        where = f"page {field['page']}" if field.get("page") else ""
        link = f'<a href="#box-{boxes[name]}">{where}</a>' if name in boxes and where else escaped(where)
        cells = (
            _text(name.removeprefix("/")),
            f"<b>{_text(field.get('value'))}</b>",
            _text(field.get("match")),
            link,
        )
        rows.append(f'<tr id="{_anchor(name)}">{_cells((*cells, _text(field.get("raw"))))}</tr>')
    return _table(("field", "value", "match", "where", "what stood there"), rows)


def _rules(story: Story) -> str:
    words = {True: '<span class="yes">holds</span>', False: '<span class="no">does not hold</span>'}
    rules = [
        f"<tr>{_cells((_text(rule['rule']), words.get(rule['holds'], '<span class=none>does not apply</span>'), _text(rule['detail'])))}</tr>"
        for rule in story["rules"]
    ]
    problems = [
        f"<tr>{_cells((_text(one['stage']), _text(one['kind']), _text(one.get('field')), _text(one['detail'])))}</tr>"
        for one in story["problems"]
    ]
    return _table(("rule", "", "detail"), rules) + _table(
        ("found by", "problem", "field", "detail"), problems
    )


# --- replies ---


def _replies(kept: Mapping[str, bytes]) -> Iterator[str]:
    for role in sorted(kept):
        if role.startswith("llm/attempt/"):
            yield _exchange(role, _plain(kept[role]))
        elif role.startswith("page/") and "/raw/" in role:
            yield _raw(role, _plain(kept[role]))
        elif role.startswith("candidate/") or role == "record":
            data = _plain(kept[role])
            told = f"{data.get('reader', '')} {data.get('version', '')}".strip()
            yield _details(role, told, _pre(json.dumps(data, ensure_ascii=False, indent=1)))


def _exchange(role: str, data: Row) -> str:
    told = f"{data.get('model', '')}, {data.get('seconds', 0)} s, {data.get('prompt_tokens', 0)} + {data.get('completion_tokens', 0)} tokens"
    asked = "".join(
        f"<h3>{_text(message.get('role'))}</h3>{_pre(str(message.get('content', '')))}"
        for message in data.get("messages", ())
    )
    return _details(role, told, f"{asked}<h3>reply</h3>{_pre(str(data.get('reply', '')))}")


def _raw(role: str, data: Row) -> str:
    told = f"{data.get('engine', '')} {data.get('version', '')} {data.get('model', '')}, {data.get('seconds', 0)} s"
    asked = f"<h3>prompt</h3>{_pre(data['prompt'])}" if data.get("prompt") else ""
    return _details(role, told, f"{asked}<h3>reply</h3>{_pre(str(data.get('text', '')))}")


def _plain(data: bytes) -> Row:
    try:
        plain = json.loads(data)
    except ValueError:
        return {}
    return plain if isinstance(plain, dict) else {}


def _details(title: str, told: str, content: str) -> str:
    return f"<details><summary>{_text(title)} <span>{_text(told)}</span></summary>{content}</details>"


def _pre(text: str) -> str:
    cut = f"\n… {len(text) - MOST_TEXT} more characters are kept" if len(text) > MOST_TEXT else ""
    return f"<pre>{escaped(text[:MOST_TEXT] + cut)}</pre>"


# --- what happened, what is kept ---


def _happened(story: Story) -> str:
    versions = [f"<tr>{_cells(_text(one.get(key)) for key in _VERSION)}</tr>" for one in story["versions"]]
    runs = [
        f"<tr>{_cells((_text(run['seen_at']), _text(run['run_id']), _text(_timings(run))))}</tr>"
        for run in story["runs"]
    ]
    chain = [
        f"<tr>{_cells((*(_text(row[key]) for key in ('sequence', 'at', 'kind')), _code(row['payload']), _code(row['hash'])))}</tr>"
        for row in story["chain"]
    ]
    return (
        "<h3>versions</h3>"
        + _table(_VERSION, versions)
        + "<h3>runs</h3>"
        + _table(("seen", "run", "seconds"), runs)
        + '<h3>rows of the hash chain</h3><div class="chain">'
        + _table(("row", "at", "what", "payload", "hash"), chain)
        + "</div>"
    )


_VERSION = ("version", "state", "status", "made_at", "made_by", "reason", "valid_from", "valid_to")


def _timings(run: Row) -> str:
    return ", ".join(f"{step} {seconds}" for step, seconds in (run.get("timings") or {}).items())


def _kept(story: Story, kept: Mapping[str, bytes]) -> str:
    rows = []
    for link in story["links"]:
        there = "" if link["role"] in kept else '<span class="no">not in the store</span>'
        cells = (
            _text(link["role"]),
            _text(link["media_type"]),
            _text(link["size_bytes"]),
            _code(link["digest"]),
        )
        rows.append(f"<tr>{_cells((*cells, there))}</tr>")
    return _table(("role", "format", "bytes", "digest", ""), rows)


def _text(value: object) -> str:
    return "" if value is None else escaped(str(value))


def _code(value: object) -> str:
    return f"<code>{_text(value)}</code>"


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _table(columns: Sequence[str], rows: Sequence[str]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{column.replace('_', ' ')}</th>" for column in columns)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
