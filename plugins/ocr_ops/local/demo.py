"""A folder -> rows in Postgres, through a real Airflow run on this machine, with progress a person can watch.

The DAG runs in one process (`airflow dags test`) and is recorded in Airflow's metadata, so that the UI shows it
later. Kill it at any moment and run it again: the rows are those of one clean run.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ocr_ops.codec import from_json
from ocr_ops.errors import OcrOpsError, TerminalError
from ocr_ops.local import stack
from ocr_ops.local.machine import Machine
from ocr_ops.model import Stage
from ocr_ops.pipeline.export import export_files
from ocr_ops.pipeline.listing import key_of, list_documents
from ocr_ops.pipeline.workshop import Event, Workshop
from ocr_ops.warehouse import DocumentLine, Warehouse

TRY_SQL = "select name, party, document_date, total, currency, status, reasons from marts.documents;"

BATCH_SIZE = 4
"""Small, so that the run has several batches to look at in the UI."""

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demo has to show: lines of the documents table, and how it went."""

    lines: tuple[DocumentLine, ...]
    fresh: int
    seconds: float
    renders: Path


def run(machine: Machine, folder: Path, doc_type: str) -> Shown:
    """Bring everything up, run the DAG on the folder if anything in it is new, and gather what to show."""
    started = time.monotonic()
    if not folder.exists():
        raise TerminalError(f"there is no folder {folder}")
    with console.status("starting Postgres and bringing its databases up to date"):
        stack.prepare(machine)
    shop = Workshop.from_settings(machine.settings(os.environ, database=True))
    with console.status("looking for documents"):
        keys, fresh = _fresh(shop, folder)
    if not keys:
        raise TerminalError(
            f"there are no documents in {folder}: put PDF, PNG, JPEG, TIFF, WebP or HEIC files there"
        )
    if fresh:
        console.print(
            f"{len(fresh)} of {len(keys)} documents are new: running the DAG ingest_folder", highlight=False
        )
        _run_dag(machine, folder, doc_type, len(fresh))
    else:
        console.print(
            f"nothing new: all {len(keys)} documents of {escape(str(folder))} are loaded", highlight=False
        )
    with Warehouse(shop.settings.database_url) as warehouse:
        lines = warehouse.lines(keys)
        renders = _export(shop, warehouse, keys, machine.var / "renders")
    return Shown(tuple(lines), len(fresh), time.monotonic() - started, renders)


def _fresh(shop: Workshop, folder: Path) -> tuple[list[str], list[str]]:
    with Warehouse(shop.settings.database_url) as warehouse:
        keys = [key_of(journey) for journey in list_documents(shop, folder, warehouse=warehouse)]
        known = warehouse.known(keys)
    return list(keys), [key for key in keys if key not in known]


def _run_dag(machine: Machine, folder: Path, doc_type: str, documents: int) -> None:
    progress_file = machine.var / "demo-progress.jsonl"
    log_file = machine.var / "logs" / "demo.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    progress_file.unlink(missing_ok=True)
    env = stack.airflow_environment(machine, folder) | {"OCR_OPS_PROGRESS_FILE": str(progress_file)}
    env.pop("OCR_OPS_ALERTS", None)  # a demo alarms nobody
    conf = {"folder": str(folder), "doc_type": doc_type, "batch_size": BATCH_SIZE}
    command = [machine.airflow.command, "dags", "test", "ingest_folder", "--conf", json.dumps(conf)]
    with (
        log_file.open("wb") as log,
        subprocess.Popen(command, env=env, cwd=machine.project, stdout=log, stderr=log) as process,
    ):
        try:
            _watch(process, progress_file, documents)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise OcrOpsError(f"the Airflow run failed; the end of {log_file} says why:\n{_tail(log_file)}")


def _watch(process: subprocess.Popen[bytes], path: Path, documents: int) -> None:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars = {
            stage: progress.add_task(stage, total=documents, now="")
            for stage in (Stage.READ, Stage.EXTRACT, Stage.LOAD)
        }
        progress.update(bars[Stage.READ], now="Airflow is starting")
        events = _events(path)
        while True:
            ended = process.poll() is not None
            for event in events:
                if event is None:
                    break
                bar = bars.get(event.stage)
                if bar is None:
                    continue
                if event.detail:
                    progress.update(bar, advance=1, now=f"{escape(event.name)}: {event.detail}")
                else:
                    progress.update(bar, now=f"{escape(event.name)}: page {event.done} of {event.total}")
            if ended:
                return
            time.sleep(0.1)


def _events(path: Path) -> Iterator[Event | None]:
    """Events as they are appended; None whenever there is none for now. A half-written last line waits."""
    offset = 0
    while True:
        data = b""
        with suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(offset)
            data = file.read()
        *whole, _ = data.split(b"\n")
        for line in whole:
            offset += len(line) + 1
            yield from_json(Event, line)
        yield None


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _export(shop: Workshop, warehouse: Warehouse, keys: list[str], folder: Path) -> Path:
    """Lay out every readable document's HTML, overlays and replies as files."""
    for key in keys:
        story = warehouse.document(key)
        artifacts = {row["role"]: row["digest"] for row in story["links"]} if story else {}
        if story and "html" in artifacts:
            target = folder / Path(story["document"]["name"]).name
            if not (target / "document.html").exists():
                export_files(shop.store, artifacts, target)
    return folder


def next_steps(machine: Machine, shown: Shown) -> str:
    """What a person may want to do now, as rich markup."""
    pictured = next(
        (line.name for line in shown.lines if (shown.renders / line.name / "document.html").exists()), None
    )
    look = (
        f"{shown.renders / pictured}/document.html and page-1-overlay.*" if pictured else str(shown.renders)
    )
    return f"""
[bold]{len(shown.lines)} documents, {shown.fresh} of them new, in {shown.seconds:.0f} s.[/bold] Postgres: {escape(machine.postgres.describe())}

[bold]SQL[/bold]      eval "$(.venv/bin/ocr-ops db psql)"
         {TRY_SQL}
[bold]look[/bold]     {escape(look)}
[bold]why[/bold]      .venv/bin/ocr-ops audit show {escape(shlex.quote(pictured or "NAME"))}
[bold]Airflow[/bold]  make up     (the run above is in the UI; make down stops everything)
[bold]yours[/bold]    make demo FOLDER=~/my-invoices"""
