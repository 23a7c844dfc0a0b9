"""A report -> one self-contained HTML page with every wrong value beside the picture of its place.

Text of documents is escaped at the leaf; pictures are data URIs of crops; the page loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence

from PIL import Image

from ocr_ops.evaluate.chart import curve_svg
from ocr_ops.evaluate.compare import DEFINITION
from ocr_ops.evaluate.report import Report, line_words, rate_words
from ocr_ops.evaluate.run import Evaluated
from ocr_ops.evaluate.score import DocumentScore, FieldScore
from ocr_ops.geometry import around, to_pixels
from ocr_ops.html_leaf import escaped
from ocr_ops.model import Digest, PixelBox, PixelSize, ReadPage

MOST_CROPS = 150
"""Wrong values shown with a picture; further ones are listed without."""

CROP_WIDTH = 430
"""Widest crop in pixels."""

_MARGIN_X, _MARGIN_Y = 0.25, 1.5
"""How much of a box's page width, and of its own height, is shown around it."""

Fetch = Callable[[Digest], bytes]

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;max-width:1100px;margin:24px auto;padding:0 16px;color:#1e293b}
table{border-collapse:collapse;margin:8px 0 20px}td,th{border:1px solid #cbd5e1;padding:4px 8px;text-align:left;vertical-align:top}
th{background:#f1f5f9}code{white-space:pre-wrap}td:nth-child(3),td:nth-child(4){min-width:9em}.num{white-space:nowrap}.bad{color:#b91c1c;font-weight:600}.held{color:#92400e}.ok{color:#166534}
figure{margin:0}img{max-width:430px;display:block;border:1px solid #cbd5e1}code{background:#f1f5f9;padding:1px 4px;overflow-wrap:anywhere}
p.small{color:#475569;font-size:13px}
"""


def page_html(report: Report, wrong: Sequence[Evaluated], fetch: Fetch) -> str:
    """The page; `wrong` are the documents with something wrong, `fetch` gives a page's picture."""
    asked = "".join(f"<li>{escaped(name)}: {escaped(value)}</li>" for name, value in report.asked.items())
    ordered = sorted(
        wrong, key=lambda one: (not (one.score.accepted and one.score.wrong_critical), one.score.id)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evaluation</title>'
        f"<style>{_STYLE}</style></head><body><h1>Evaluation</h1><ul>{asked}</ul>"
        f'<p class="small">{escaped(DEFINITION)} Intervals are Wilson\'s, 95 %.</p>{_headline(report)}{curve_svg(report.parts)}'
        f"{_fields(report)}<h2>What was wrong</h2>{_wrong_table(ordered, fetch)}</body></html>\n"
    )


def _headline(report: Report) -> str:
    rows = [
        (
            part.source,
            str(part.documents),
            str(part.accepted),
            rate_words(part.false_accepts),
            rate_words(part.false_values),
            rate_words(part.held),
            rate_words(part.whole),
            rate_words(part.evidence),
            line_words(part.lines) if part.lines else "–",
            rate_words(part.other_type),
        )
        for part in report.parts
    ]
    head = (
        "source",
        "documents",
        "accepted",
        "wrong documents among accepted",
        "wrong values among accepted critical ones",
        "held",
        "whole document right",
        "evidence in place",
        "line items",
        "taken for another type",
    )
    return _table(head, rows)


def _fields(report: Report) -> str:
    rows = [
        (part.source, name, "yes" if one.critical else "", rate_words(one.exact), str(one.wrong))
        for part in report.parts
        for name, one in part.fields.items()
    ]
    return "<h2>Fields</h2>" + _table(("source", "field", "critical", "right", "wrong values"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{escaped(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _wrong_table(wrong: Sequence[Evaluated], fetch: Fetch) -> str:
    rows, crops = [], 0
    for one in wrong:
        for field in (field for field in one.score.fields if not field.right):
            shown = crops < MOST_CROPS
            picture = _crop(one, field, fetch) if shown else ""
            crops += bool(picture)
            rows.append(_wrong_row(one.score, field, picture))
    if not rows:
        return "<p>Nothing.</p>"
    head = "<tr><th>document</th><th>field</th><th>truth</th><th>read</th><th>where it was read</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _wrong_row(score: DocumentScore, field: FieldScore, picture: str) -> str:
    passed = score.accepted and field.critical and field.wrong
    kind = "bad" if passed else "ok" if score.accepted else "held"
    status = "accepted with a wrong critical value" if passed else str(score.status).replace("_", " ")
    sure = f" · probability {field.probability:.3f}" if field.probability is not None else ""
    read = f"<code>{escaped(field.value)}</code>" if field.value is not None else "<em>nothing</em>"
    why = "".join(
        f'<br><span class="held">{escaped(p.detail)}</span>'
        for p in score.problems
        if p.field == f"/{field.name}"
    )
    return (
        f'<tr><td>{escaped(score.id)}<br><span class="{kind}">{status}</span></td>'
        f"<td>{escaped(field.name)}{escaped(sure)}</td><td><code>{escaped(field.truth)}</code></td>"
        f"<td>{read}{why}</td><td>{picture}</td></tr>"
    )


def _crop(one: Evaluated, field: FieldScore, fetch: Fetch) -> str:
    """The place a value was read from; the whole first page, small, where nothing was read."""
    if not one.pages:
        return ""
    evidence = next(
        (e for e in (one.record.evidence if one.record else ()) if e.field == f"/{field.name}"), None
    )
    number = evidence.page if evidence and evidence.page else one.pages[0].image.number
    page = next((page for page in one.pages if page.image.number == number), one.pages[0])
    blocks = evidence.blocks if evidence else ()
    return _picture(fetch(page.image.digest), _area(page, blocks))


def _area(page: ReadPage, blocks: Sequence[str]) -> PixelBox | None:
    boxes = tuple(box for block in page.blocks if block.id in blocks for box in block.boxes)
    if not boxes:
        return None
    size = page.image.size
    box = to_pixels(around(boxes), size)
    grow_x, grow_y = round(size.width * _MARGIN_X), round((box.y2 - box.y1) * _MARGIN_Y) + 4
    return PixelBox(
        max(0, box.x1 - grow_x),
        max(0, box.y1 - grow_y),
        min(size.width, box.x2 + grow_x),
        min(size.height, box.y2 + grow_y),
    )


def _picture(data: bytes, area: PixelBox | None) -> str:
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    whole = PixelSize(picture.width, picture.height)
    if area is not None and area.x2 > area.x1 and area.y2 > area.y1:
        picture = picture.crop((area.x1, area.y1, area.x2, area.y2))
    limit = CROP_WIDTH if area is not None else CROP_WIDTH // 2
    picture.thumbnail((limit, max(limit, whole.height // 4)))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=70)
    return f'<figure><img alt="" src="data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"></figure>'
