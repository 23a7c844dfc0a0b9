"""How the command line talks: tables and progress on stderr or stdout, machine output on stdout alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from ocr_ops.model import Outcome, Problem, Stage, Status
from ocr_ops.pipeline.workshop import Event, Report
from ocr_ops.warehouse import DocumentLine

WIDE = 180
"""Columns where there is no terminal to ask, so that tables in files and logs are not folded."""


def _console(stream: TextIO) -> Console:
    unknown = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(stderr=stream is sys.stderr, width=WIDE if unknown else None)


OUT = _console(sys.stdout)
ERR = _console(sys.stderr)

STYLES = {
    Status.ACCEPTED: "green",
    Status.NEEDS_REVIEW: "yellow",
    Status.QUARANTINED: "red",
    Status.REJECTED: "red",
}


@contextmanager
def page_progress(documents: int) -> Iterator[tuple[Report, Progress, TaskID]]:
    """A bar over documents that also tells which page of which document is being read."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=ERR, transient=True) as progress:
        task = progress.add_task("documents", total=documents, now="")

        def report(event: Event) -> None:
            if event.stage is Stage.READ and not event.detail:
                progress.update(task, now=f"{escape(event.name)}: page {event.done} of {event.total}")

        yield report, progress, task


def outcome_table(rows: Sequence[Sequence[str]]) -> Table:
    """The table people see: document, type, merchant or seller, date, total, status, reason."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("document", "type", "merchant / seller", "date", "total", "status", "reason"):
        table.add_column(name, justify="right" if name == "total" else "left", overflow="fold")
    for row in rows:
        style = STYLES.get(Status(row[5]), "") if row[5] in tuple(Status) else ""
        cells = [escape(cell) for cell in row]
        cells[5] = f"[{style}]{cells[5]}[/{style}]" if style else cells[5]
        table.add_row(*cells)
    return table


def outcome_row(outcome: Outcome) -> tuple[str, ...]:
    """One line of `outcome_table`."""
    values = outcome.record.values if outcome.record else {}
    party = values.get("merchant_name") or values.get("seller_name") or ""
    total = values.get("total") or values.get("grand_total") or ""
    return (
        outcome.name,
        outcome.doc_type or "",
        str(party)[:40],
        str(values.get("date") or values.get("issue_date") or ""),
        f"{total} {values.get('currency', '')}".strip(),
        str(outcome.status),
        reason(outcome.problems),
    )


def line_row(line: DocumentLine) -> tuple[str, ...]:
    """One line of `outcome_table`, for a document in the warehouse."""
    total = f"{line.total} {line.currency or ''}".strip() if line.total is not None else ""
    date = line.document_date.isoformat() if line.document_date else ""
    return (
        line.name,
        line.doc_type or "",
        (line.party or "")[:40],
        date,
        total,
        str(line.status),
        line.reasons,
    )


def reason(problems: Sequence[Problem]) -> str:
    """The first problem in words, and how many more there are."""
    if not problems:
        return ""
    more = f" (+{len(problems) - 1} more)" if len(problems) > 1 else ""
    return problems[0].detail + more


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that tells how much of how much is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
