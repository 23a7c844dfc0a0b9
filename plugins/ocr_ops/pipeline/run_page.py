"""What a run did -> one HTML page for the person who started it: counts, what is held and why, and a link to each document.

In: values of the warehouse. Out: HTML without scripts. All text of documents is escaped at the leaf. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ocr_ops.html_leaf import escaped
from ocr_ops.model import Status
from ocr_ops.pipeline.story_style import STYLE
from ocr_ops.warehouse import DocumentLine, RunSummary

MOST_LINES = 500
"""Documents listed; those that wait for a person come first."""

_STATUSES = {
    Status.ACCEPTED: "accepted",
    Status.NEEDS_REVIEW: "held for a person",
    Status.QUARANTINED: "cannot be read",
    Status.REJECTED: "rejected",
}
_MORE = """
main { display: block; max-width: 1200px; } main > section + section { margin-top: 18px !important; }
.counts b { font-size: 22px; margin-right: 6px; } .status { margin-left: 0; }
td:last-child { width: 100%; } td:not(:last-child) { white-space: nowrap; max-width: 22rem; overflow: hidden; text-overflow: ellipsis; }
td.total { text-align: right; }
"""


def run_html(
    summary: RunSummary | None, lines: Sequence[DocumentLine], link: Callable[[DocumentLine], str]
) -> str:
    """Lay the page out; `link` gives the address of a document's own page."""
    if summary is None:
        return _page(
            "<main><section>This run has met no documents, or they are not listed yet.</section></main>"
        )
    counts = {
        Status.ACCEPTED: summary.accepted,
        Status.NEEDS_REVIEW: summary.needs_review,
        Status.QUARANTINED: summary.quarantined,
        Status.REJECTED: summary.rejected,
    }
    state = "" if summary.finished_at else '<p class="none">The run goes on.</p>'
    facts = "".join(f"<span><b>{counts[status]}</b>{words}</span>" for status, words in _STATUSES.items())
    head = f'<header><h1>{summary.documents} documents</h1><div class="facts counts">{facts}</div>{state}</header>'
    held = [line for line in lines if line.status is not Status.ACCEPTED]
    accepted = [line for line in lines if line.status is Status.ACCEPTED]
    more = summary.documents - len(lines)
    rest = f'<p class="none">and {more} more: marts.documents has them all</p>' if more > 0 else ""
    body = _table("Wait for a person, or cannot be read", held, link) + _table("Accepted", accepted, link)
    return _page(f"{head}<main>{body}{rest}</main>")


def _page(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Documents</title><style>{STYLE}{_MORE}</style></head><body>{body}</body></html>"
    )


def _table(title: str, lines: Sequence[DocumentLine], link: Callable[[DocumentLine], str]) -> str:
    if not lines:
        return ""
    names = ("document", "status", "type", "from", "total", "why")
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(_row(line, link(line)) for line in lines)
    return f"<section><h2>{title}</h2><table><tr>{head}</tr>{rows}</table></section>"


def _row(line: DocumentLine, address: str) -> str:
    total = "" if line.total is None else f"{line.total} {line.currency or ''}"
    cells = (
        f'<td><a href="{escaped(address)}">{escaped(line.name)}</a></td>',
        f'<td><span class="status {line.status.value}">{_STATUSES[line.status]}</span></td>',
        f"<td>{escaped(line.doc_type or '')}</td>",
        f"<td>{escaped(line.party or '')}</td>",
        f'<td class="total">{escaped(total)}</td>',
        f"<td>{escaped(line.reasons)}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"
