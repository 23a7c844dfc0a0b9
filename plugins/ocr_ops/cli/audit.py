"""`ocr-ops audit`: the story of a document, and proof that its evidence is what was stored."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ocr_ops.audit import AuditStore, Broken, open_store
from ocr_ops.cli.console import ERR, OUT, counting
from ocr_ops.local.machine import Machine
from ocr_ops.pipeline.export import export_files
from ocr_ops.warehouse import Warehouse

app = typer.Typer(
    help="Evidence: what is kept for a document, and whether it is untouched.", no_args_is_help=True
)


@app.command("show")
def show(
    document: Annotated[str, typer.Argument(help="File name, or the beginning of its sha256.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Also write pages, HTML, overlays, replies and record to this folder."),
    ] = None,
) -> None:
    """Tell where every value of a document comes from: page, block, match, and the digests of all that was kept.

    Example:
      ocr-ops audit show receipt_en_bookshop.jpg --export /tmp/bookshop
    """
    settings = Machine.from_env(os.environ).settings(os.environ, database=True)
    with Warehouse(settings.database_url) as warehouse:
        story = warehouse.document(document)
    if story is None:
        ERR.print(
            f"no document is called {escape(document)!r}; marts.documents lists all names",
            highlight=False,
        )
        raise typer.Exit(1)
    if as_json:
        print(json.dumps(story, default=str, ensure_ascii=False, indent=2))
    else:
        _print_story(story)
    if export is not None:
        written = export_files(open_store(settings.audit_uri), _artifacts(story), export)
        ERR.print(f"{len(written)} files written to {export}", markup=False)


@app.command("verify")
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print what is broken as a JSON array.")] = False,
) -> None:
    """Read every stored byte again and compare it with its digest. Exit code 1 when anything is broken."""
    store = open_store(Machine.from_env(os.environ).settings(os.environ).audit_uri)
    broken = _verified(store)
    stats = store.stats()
    if as_json:
        print(
            json.dumps(
                [{"path": one.path, "kind": str(one.kind), "detail": one.detail} for one in broken], indent=2
            )
        )
    for one in () if as_json else broken:
        OUT.print(f"[red]{one.kind}[/red] {escape(one.path)}: {escape(one.detail)}")
    ERR.print(f"{stats.objects} objects, {stats.size_bytes / 1e6:.1f} MB, {len(broken)} broken")
    if broken:
        raise typer.Exit(1)


def _verified(store: AuditStore) -> list[Broken]:
    with counting("reading the audit store") as progress:
        return store.verify(progress)


def _print_story(story: dict[str, Any]) -> None:
    document = story["document"]
    OUT.print(f"[bold]{escape(document['name'])}[/bold]  {document['status']}  {document['doc_type'] or ''}")
    OUT.print(f"{document['document_key']}\n{escape(document['uri'])}", highlight=False)
    for problem in story["problems"]:
        OUT.print(f"[yellow]![/yellow] {escape(problem['detail'])}", highlight=False)
    _table("fields", ("field", "value", "match", "page", "raw"), story["fields"])
    _table("rules", ("rule", "holds", "detail"), story["rules"])
    _table("pages", ("page", "engine", "model", "turn", "picture_digest"), story["pages"])
    _table("kept", ("role", "media_type", "size_bytes", "digest"), story["links"])


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            *(escape(str(row.get(column) if row.get(column) is not None else "")) for column in columns)
        )
    OUT.print(table)


def _artifacts(story: dict[str, Any]) -> dict[str, str]:
    return {row["role"]: row["digest"] for row in story["links"]}
