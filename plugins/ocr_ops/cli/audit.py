"""`ocr-ops audit`: the story of a document, and proof that its evidence is what was stored."""

from __future__ import annotations

import json
import os
import re
import tempfile
import webbrowser
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ocr_ops.audit import AuditStore, open_store
from ocr_ops.cli.console import ERR, OUT, counting
from ocr_ops.local.machine import Machine
from ocr_ops.model import Digest
from ocr_ops.pipeline import retention, retention_policy
from ocr_ops.pipeline.export import export_files
from ocr_ops.pipeline.proof import Proof, prove, write_anchor
from ocr_ops.pipeline.story_page import kept_of, story_html
from ocr_ops.warehouse import Warehouse

app = typer.Typer(
    help="Evidence: what is kept for a document, and whether it is untouched.", no_args_is_help=True
)


@app.command("show")
def show(
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOCUMENT|ROW",
            help="File name, or the beginning of its sha256; for one line of it, / and the line's number behind it.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Also write pages, HTML, overlays, replies and record to this folder."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the whole story as one HTML file to keep.")
    ] = None,
    browse: Annotated[
        bool, typer.Option("--open", help="Write that file and open it in the browser.")
    ] = False,
) -> None:
    """Tell where every value of a document comes from: page, block, match, timings, and the digests of all that was kept.

    Example:
      ocr-ops audit show receipt_en_bookshop.jpg --html bookshop.html
    """
    settings = Machine.from_env(os.environ).settings(os.environ, database=True)
    named, line = _document_and_line(document)
    with Warehouse(settings.database_url) as warehouse:
        story = warehouse.document(named)
    if story is None:
        ERR.print(
            f"no document is called {escape(named)!r}; marts.documents lists all names",
            highlight=False,
        )
        raise typer.Exit(1)
    store = open_store(settings.audit_uri)
    if as_json:
        print(json.dumps(story, default=str, ensure_ascii=False, indent=2))
    else:
        _print_story(story, line)
    if export is not None:
        written = export_files(store, _there(store, story), export)
        ERR.print(f"{len(written)} files written to {export}", markup=False)
    if html is not None or browse:
        page = html or Path(tempfile.mkdtemp(prefix="ocr-ops-")) / "story.html"
        kept = kept_of(store, story)
        page.write_text(story_html(story, kept, written_at=datetime.now(UTC)), encoding="utf-8")
        ERR.print(f"written to {page}", markup=False)
        if browse:
            webbrowser.open(page.absolute().as_uri())


def _document_and_line(row: str) -> tuple[str, str]:
    """A document, and the JSON pointer of one of its lines: `invoice.pdf/3` is its third."""
    found = re.fullmatch(r"(?:(?:marts\.)?\w+_lines/)?(.+)/([1-9]\d{0,5})", row)
    return (found[1], f"/line_items/{int(found[2]) - 1}/") if found else (row, "")


@app.command("verify")
def verify(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was proved as one JSON object.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="Read the bytes of so many objects, drawn anew each time."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="Read the bytes of what was linked since this day only."),
    ] = None,
    anchors: Annotated[
        list[Path] | None,
        typer.Option(
            "--anchor", help="Also compare the chain with this file that `audit anchor` once wrote."
        ),
    ] = None,
    store_only: Annotated[
        bool,
        typer.Option("--store-only", help="Without the database: bytes and keys, no links and no chain."),
    ] = False,
) -> None:
    """Prove that nothing was changed, removed or added: bytes, links, manifests and the hash chain.

    Chain, links and anchors are always proved whole; --sample and --since bound how many bytes are read. Exit codes, for
    cron: 0 all is well, 1 something is broken (each finding is printed), 3 or 4 it could not be looked at.

    Example:
      ocr-ops audit verify --since 2026-11-01 --anchor /mnt/safe/anchor.json
    """
    settings = Machine.from_env(os.environ).settings(os.environ, database=not store_only)
    store = open_store(settings.audit_uri)
    noted = [(str(path), path.read_bytes()) for path in anchors or ()]
    with counting("reading the audit store") as progress:
        if store_only:
            proof = Proof(tuple(store.verify(progress)))
        else:
            day = since.astimezone(UTC) if since else None
            proof = prove(
                store, settings.database_url, sample=sample, since=day, anchors=noted, progress=progress
            )
    _print_proof(proof, as_json=as_json)
    if not proof.ok:
        raise typer.Exit(1)


def _print_proof(proof: Proof, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(proof), indent=2, default=str))
    for one in () if as_json else proof.broken:
        OUT.print(f"[red]{one.kind}[/red] {escape(one.path)}: {escape(one.detail)}", highlight=False)
    ERR.print(
        f"{proof.rows} rows of the chain, {proof.links} links, {proof.manifests} manifests, {proof.anchors} anchors; "
        f"{proof.objects} objects read, {proof.size_bytes / 1e6:.1f} MB, {proof.erased} erased; "
        f"{len(proof.broken)} broken",
        highlight=False,
    )


@app.command("anchor")
def anchor(
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="Also write it here: a folder (the file is dated) or a new file, best elsewhere."
        ),
    ] = None,
) -> None:
    """Write down where the hash chain ends now; what is cut off or written anew before it is found from now on.

    Example:
      ocr-ops audit verify && ocr-ops audit anchor --to /mnt/write-once
    """
    settings = Machine.from_env(os.environ).settings(os.environ, database=True)
    now = datetime.now(UTC)
    data, head = write_anchor(open_store(settings.audit_uri), settings.database_url, at=now)
    if to is not None:
        path = to / f"ocr-ops-anchor-{now:%Y-%m-%dT%H%M%S}Z.json" if to.is_dir() else to
        with path.open("xb") as file:
            file.write(data + b"\n")
        ERR.print(f"written to {path}", markup=False)
    print(f"{head.sequence} {head.hash}")


@app.command("retain")
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    policy: Annotated[Path, typer.Option("--policy", help="The policy file, YAML.")] = retention_policy.FILE,
    by: Annotated[
        str, typer.Option("--by", help="Who is responsible, for the chain.")
    ] = "ocr-ops audit retain",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what is removed as one JSON object.")
    ] = False,
) -> None:
    """Remove what the retention policy says is due, and note in the hash chain what, when and under which rule.

    Bytes leave the audit store; links, digests and rows stay, and `audit verify` knows of the gap. Cannot be undone.

    Example:
      ocr-ops audit retain --dry-run
    """
    settings = Machine.from_env(os.environ).settings(os.environ, database=True)
    store, url = open_store(settings.audit_uri), settings.database_url
    planned = retention.plan(store, url, policy.read_bytes(), now=datetime.now(UTC))
    if not dry_run:
        with counting("removing") as progress:
            retention.carry_out(store, url, planned, by=by, progress=progress)
    if as_json:
        print(
            json.dumps({"dry_run": dry_run, **asdict(planned), "policy": policy.name}, indent=2, default=str)
        )
    else:
        due = [
            {**asdict(one), "objects": len(one.digests), "roles": ", ".join(one.roles)} for one in planned.due
        ]
        _table("due", ("name", "doc_type", "rule", "objects", "size_bytes", "roles"), due)
    done = "would be removed" if dry_run else "removed"
    held = "".join(f", {count} kept by {name}" for name, count in planned.held.items())
    ERR.print(
        f"{planned.digests + len(planned.left_over)} objects {done}, {planned.size_bytes / 1e6:.1f} MB{held}",
        highlight=False,
        markup=False,
    )


def _print_story(story: dict[str, Any], line: str) -> None:
    document = story["document"]
    OUT.print(f"[bold]{escape(document['name'])}[/bold]  {document['status']}  {document['doc_type'] or ''}")
    OUT.print(f"{document['document_key']}\n{escape(document['uri'])}", highlight=False)
    for problem in story["problems"]:
        OUT.print(f"[yellow]![/yellow] {escape(problem['detail'])}", highlight=False)
    fields = [row for row in story["fields"] if row["field"].startswith(line)]
    _table("fields", ("field", "value", "match", "page", "raw"), fields)
    named = {row["field"] for row in fields}
    if line:
        boxes = [row for row in story["boxes"] if row["field"] in named]
        _table("boxes", ("field", "page", "block_id", "box_px"), boxes)
    rules = [row for row in story["rules"] if not line or named & set(row["fields"] or ())]
    _table("rules", ("rule", "holds", "detail"), rules)
    _table("pages", ("page", "engine", "model", "turn", "picture_digest"), story["pages"])
    _table("runs", ("seen_at", "run_id", "status", "seconds"), [_with_seconds(run) for run in story["runs"]])
    _table("chain", ("sequence", "at", "kind", "hash"), story["chain"])
    _table("kept", ("role", "media_type", "size_bytes", "digest"), story["links"])


def _with_seconds(run: dict[str, Any]) -> dict[str, Any]:
    return {**run, "seconds": ", ".join(f"{step} {took}" for step, took in (run["timings"] or {}).items())}


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


def _there(store: AuditStore, story: dict[str, Any]) -> dict[str, Digest]:
    """What is kept of a document by role, the latest of each, without what retention removed."""
    latest = {row["role"]: Digest(row["digest"]) for row in story["links"]}
    return {role: digest for role, digest in latest.items() if store.has(digest)}
