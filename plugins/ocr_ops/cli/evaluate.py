"""`ocr-ops eval` and `ocr-ops synth`: labelled documents through the pipeline, and how much of what came out is right."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ocr_ops.cli.console import ERR, page_progress
from ocr_ops.cli.documents import DocType, Llm, Ocr, make_order, make_workshop
from ocr_ops.evaluate.chart import curve_svg
from ocr_ops.evaluate.dataset import Case, DatasetError, read_dataset
from ocr_ops.evaluate.figures import Figures, figures_by_source
from ocr_ops.evaluate.report import Prices, Report, rate_words, write_files, write_json, write_markdown
from ocr_ops.evaluate.report_page import page_html
from ocr_ops.evaluate.run import Evaluated, evaluate
from ocr_ops.evaluate.synth.dataset import BillType, write_dataset
from ocr_ops.evaluate.synth.wear import Wear
from ocr_ops.evaluate.variants import Variant, as_variant
from ocr_ops.pipeline.journey import AUTO, Order
from ocr_ops.pipeline.workshop import Workshop

Datasets = Annotated[
    list[Path],
    typer.Argument(
        help="Labelled documents, one JSON object a line; see docs/evaluation.md.", metavar="DATASET.jsonl..."
    ),
]


def evaluate_datasets(
    datasets: Datasets,
    report: Annotated[
        Path, typer.Option("--report", help="Folder for report.json, report.md, report.html and curve.svg.")
    ],
    doc_type: DocType = AUTO,
    ocr: Ocr = None,
    llm: Llm = None,
    variant: Annotated[
        Variant,
        typer.Option(
            "--variant",
            help="as-is; no-xml: PDFs without their attachments; picture: PDFs as pictures of their pages.",
        ),
    ] = Variant.AS_IS,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Only the first N documents of each dataset; 0: all.")
    ] = 0,
    machine_usd_per_hour: Annotated[
        float, typer.Option(min=0, help="Price of an hour of this machine.")
    ] = 0.0,
    usd_per_million_tokens: Annotated[
        tuple[float, float],
        typer.Option(
            help="Prices of a million tokens that go in to and come out of the LLM.", metavar="IN OUT"
        ),
    ] = (0.0, 0.0),
) -> None:
    """Measure accuracy on labelled documents: wrong values among accepted ones first, then everything else.

    Interrupt and repeat it as you like: every step is kept in the audit store, as with `ocr-ops process`.

    Example:
      ocr-ops eval samples/truth.jsonl --report out
    """
    shop, order = make_workshop(ocr, llm), make_order(doc_type, ocr)
    cases = [case for path in datasets for case in _first(read_dataset(path), limit)]
    started = time.monotonic()
    done = run_cases(shop, order, [as_variant(case, variant, report / "documents") for case in cases])
    prices = Prices(machine_usd_per_hour, *usd_per_million_tokens)
    asked = _asked(shop, order, datasets) | {"variant": str(variant)}
    scores = tuple(one.score for one in done)
    made = Report(asked, time.monotonic() - started, figures_by_source(scores), scores, prices)
    wrong = [one for one in done if not one.score.whole or one.score.wrong_critical]
    _write(report, made, page_html(made, wrong, shop.store.get))
    ERR.print(summary_table(made.parts))
    ERR.print(f"written: {report / 'report.html'}, report.md, report.json, curve.svg", highlight=False)


def run_cases(shop: Workshop, order: Order, cases: Sequence[Case]) -> list[Evaluated]:
    """Evaluate with a progress bar."""
    with page_progress(len(cases)) as (report, progress, task):
        told = replace(shop, report=report)
        return list(evaluate(told, order, cases, lambda count: progress.advance(task, count)))


def summary_table(parts: Sequence[Figures]) -> Table:
    """The figures that matter most, a line a source."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in (
        "source",
        "documents",
        "accepted",
        "wrong documents among accepted",
        "wrong critical values",
        "held for review",
        "whole document right",
    ):
        table.add_column(name)
    for part in parts:
        rates = (part.false_accepts, part.false_values, part.held, part.whole)
        table.add_row(part.source, str(part.documents), str(part.accepted), *map(rate_words, rates))
    return table


def _first(cases: tuple[Case, ...], limit: int) -> tuple[Case, ...]:
    return cases[:limit] if limit else cases


def _asked(shop: Workshop, order: Order, datasets: Sequence[Path]) -> dict[str, str]:
    settings = shop.settings
    llm = f"{settings.llm_provider} {settings.llm_model}".strip()
    return {
        "datasets": ", ".join(path.name for path in datasets),
        "document type": order.doc_type,
        "OCR engine": str(order.engine or settings.ocr_engine),
        "LLM": llm,
    }


def _write(folder: Path, made: Report, page: str) -> None:
    try:
        write_files(
            folder,
            {
                "report.json": json.dumps(write_json(made), ensure_ascii=False, indent=1) + "\n",
                "report.md": write_markdown(made),
                "report.html": page,
                "curve.svg": curve_svg(made.parts),
            },
        )
    except OSError as problem:
        raise DatasetError(f"--report: {folder} cannot be written: {problem.strerror}") from problem


def synthesise(
    out: Annotated[Path, typer.Argument(help="Folder for the documents, their boxes and synth.jsonl.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many documents.")] = 50,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same documents.")] = 1,
    bill_type: Annotated[BillType, typer.Option("--type", help="What to draw.")] = BillType.BOTH,
    noise: Annotated[
        Wear,
        typer.Option(
            "--noise", help="none, light or heavy: skew, blur, stains, fading, noise; mixed: a third each."
        ),
    ] = Wear.MIXED,
) -> None:
    """Draw invoices and receipts in six languages with exact truth and boxes.

    Example:
      ocr-ops synth out/synth --count 20 --seed 7 && ocr-ops eval out/synth/synth.jsonl --report out
    """
    with page_progress(count) as (_, progress, task):
        try:
            dataset = write_dataset(
                out,
                count=count,
                seed=seed,
                bill_type=bill_type,
                wear=noise,
                advance=lambda n: progress.advance(task, n),
            )
        except OSError as problem:
            raise DatasetError(f"{out} cannot be written: {problem.strerror}") from problem
    ERR.print(f"written: {dataset}", highlight=False)
