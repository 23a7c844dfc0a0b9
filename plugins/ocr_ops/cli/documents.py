"""`ocr-ops process` and `ocr-ops ingest`: documents through the pipeline without Airflow."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from ocr_ops.cli.console import ERR, outcome_row, outcome_table, page_progress
from ocr_ops.cli.side_by_side import Done, outcomes
from ocr_ops.codec import to_plain
from ocr_ops.errors import SettingsError
from ocr_ops.local.machine import Machine
from ocr_ops.model import Match, Outcome
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.journey import AUTO, Order
from ocr_ops.pipeline.listing import list_documents, unknown
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.schemas import load_schema
from ocr_ops.settings import LlmProvider, OcrEngine, Settings
from ocr_ops.warehouse import Warehouse, migrate

Paths = Annotated[
    list[Path],
    typer.Argument(help="Files or folders; folders are searched for documents.", metavar="FILE|FOLDER..."),
]
DocType = Annotated[
    str,
    typer.Option(
        "--doc-type",
        help="receipt, invoice, any other type in extraction_schemas/, or auto: decide per document.",
    ),
]
Ocr = Annotated[
    OcrEngine | None,
    typer.Option("--ocr", help="embedded: on this CPU, needs nothing. vllm: servers in OCR_OPS_OCR_URLS."),
]
Llm = Annotated[
    LlmProvider | None,
    typer.Option("--llm", help="none, or openai: any OpenAI-compatible endpoint in OCR_OPS_LLM_URL."),
]

Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help="Processes that work side by side. As many as cores for PDFs with a text layer; the embedded OCR uses all cores by itself.",
    ),
]


def process(
    paths: Paths,
    doc_type: DocType = AUTO,
    ocr: Ocr = None,
    llm: Llm = None,
    jobs: Jobs = 1,
    jsonl: Annotated[
        Path | None,
        typer.Option("--jsonl", help="Write one JSON object a document here; - for standard output."),
    ] = None,
) -> None:
    """Read documents and print what was found, without Postgres and Airflow.

    One JSON object a document: source, sha256, doc_type, status, record, evidence, problems, timings. Results of
    every step are kept in the audit store, so a second run, or one that was interrupted, costs only what is missing.

    Examples:
      ocr-ops process samples
      ocr-ops process scan.jpg --doc-type receipt --jsonl -
      ocr-ops process archive-of-pdfs --jobs 4 --jsonl out.jsonl
    """
    shop = make_workshop(ocr, llm)
    order = make_order(doc_type, ocr)
    with _output(jsonl) as file:
        _walk(shop, order, paths, lambda outcome: _write(file, outcome), jobs, quiet=jsonl == Path("-"))


def ingest(
    paths: Paths,
    doc_type: DocType = AUTO,
    ocr: Ocr = None,
    llm: Llm = None,
    jobs: Jobs = 1,
    reprocess: Annotated[
        bool, typer.Option("--reprocess", help="Process documents again that were loaded before.")
    ] = False,
) -> None:
    """Read documents and load them into Postgres, without Airflow.

    Loads into OCR_OPS_DATABASE_URL, or into the embedded server (started if it is down). Known documents are skipped.

    Example:
      ocr-ops ingest ~/receipts --doc-type receipt
    """
    shop = make_workshop(ocr, llm, database=True)
    order = replace(make_order(doc_type, ocr), reprocess=reprocess)
    run_id = f"cli-{uuid.uuid4()}"
    migrate(shop.settings.database_url)
    with Warehouse(shop.settings.database_url) as warehouse:
        warehouse.start_run(
            run_id, trigger="ocr-ops ingest", started_at=batches.now(), params=to_plain(order)
        )
        _walk(shop, order, paths, Loader(warehouse, run_id), jobs)
        warehouse.finish_run(run_id, finished_at=batches.now())
    ERR.print("try: [bold]psql \"$(ocr-ops db url --psql)\" -c 'select * from marts.documents'[/bold]")


def make_workshop(ocr: OcrEngine | None, llm: LlmProvider | None, *, database: bool = False) -> Workshop:
    """What the steps need, from the environment and the command line."""
    env = dict(os.environ)
    env |= {"OCR_OPS_OCR_ENGINE": ocr} if ocr else {}
    env |= {"OCR_OPS_LLM_PROVIDER": llm} if llm else {}
    settings: Settings = Machine.from_env(os.environ).settings(env, database=database)
    return Workshop.from_settings(settings)


def make_order(doc_type: str, ocr: OcrEngine | None) -> Order:
    """What the command line asked for; UnknownSchema for a document type that does not exist."""
    if doc_type != AUTO:
        load_schema(doc_type)
    return Order(doc_type=doc_type, engine=ocr)


@dataclass(frozen=True, slots=True)
class Loader:
    """Where `ingest` puts outcomes, and what it knows already."""

    warehouse: Warehouse
    run_id: str


def _walk(
    shop: Workshop,
    order: Order,
    paths: Sequence[Path],
    into: Loader | Callable[[Outcome], None],
    jobs: int,
    *,
    quiet: bool = False,
) -> None:
    warehouse = into.warehouse if isinstance(into, Loader) else None
    folders = [path.expanduser().absolute() for path in paths]
    journeys = list_documents(shop, *folders, warehouse=warehouse)
    if isinstance(into, Loader) and not order.reprocess:
        journeys = unknown(into.warehouse, journeys)
    rows = []
    with page_progress(len(journeys)) as (report, progress, task):
        for done in outcomes(replace(shop, report=report), order, journeys, jobs):
            rows.append(outcome_row(_handed_on(done, into)))
            progress.advance(task)
    if not quiet:
        ERR.print(outcome_table(rows) if rows else "nothing new")


def _handed_on(done: Done, into: Loader | Callable[[Outcome], None]) -> Outcome:
    outcome, extras = done
    if isinstance(into, Loader):
        loaded = into.warehouse.load(outcome, run_id=into.run_id, loaded_at=batches.now(), extras=extras)
        return replace(outcome, status=loaded.status)
    into(outcome)
    return outcome


@contextmanager
def _output(jsonl: Path | None) -> Iterator[IO[str] | None]:
    if jsonl is None:
        yield None
    elif jsonl == Path("-"):
        yield sys.stdout
    else:
        try:
            file = jsonl.open("w", encoding="utf-8")
        except OSError as problem:
            raise SettingsError(f"--jsonl: {jsonl} cannot be written: {problem.strerror}") from problem
        with file:
            yield file


def _write(file: IO[str] | None, outcome: Outcome) -> None:
    if file is not None:
        file.write(json.dumps(as_json(outcome), ensure_ascii=False) + "\n")
        file.flush()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The public form of an outcome, one object a document."""
    record = outcome.record
    evidence = {
        one.field: {"page": one.page, "blocks": list(one.blocks), "match": str(one.match), "raw": one.raw}
        for one in (record.evidence if record else ())
        if one.match is not Match.NOT_FOUND
    }
    return {
        "source": outcome.uri,
        "name": outcome.name,
        "sha256": outcome.digest.removeprefix("sha256:") if outcome.digest else None,
        "doc_type": outcome.doc_type,
        "status": str(outcome.status),
        "record": record.values if record else None,
        "evidence": evidence,
        "rules": to_plain(record.rules) if record else [],
        "problems": to_plain(outcome.problems),
        "timings": outcome.timings,
    }
