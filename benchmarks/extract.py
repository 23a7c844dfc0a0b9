"""What the layout reader and the judge cost a page, in CPU time of one process, against the budget of 30 ms.

Pages: drawn receipts and invoices (`ocr-ops synth`'s), as an engine that makes no mistake would read them, every one another; or with
`--store` the pages of documents that `ocr-ops process` or `eval` read into an audit store before, by their source files. The first
page of each kind is not counted: it loads schemas and compiles patterns. Every page is read once, so that nothing is remembered
from an earlier round. CPU time, because the clock of a shared machine says more about its neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import mean, quantiles

from _report import Report, add_options, tell

from ocr_ops.codec import digest_of
from ocr_ops.evaluate.dataset import read_dataset
from ocr_ops.evaluate.synth.invoices import draw_invoice
from ocr_ops.evaluate.synth.receipts import draw_receipt
from ocr_ops.evaluate.synth.records import draw_bill
from ocr_ops.geometry import to_grid
from ocr_ops.judge.decide import judge
from ocr_ops.local.machine import Machine
from ocr_ops.model import Block, PageImage, PixelSize, ReadPage, Schema
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.journey import Order
from ocr_ops.pipeline.listing import list_documents
from ocr_ops.pipeline.steps import load_pages
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.readers.layout import read_layout
from ocr_ops.schemas import load_calibration, load_schema

BUDGET_MS = 30.0
DOCUMENTS, QUICK_DOCUMENTS = 400, 100

Document = tuple[str, Schema, tuple[ReadPage, ...]]


def drawn(count: int) -> Iterator[Document]:
    """Receipts and invoices by turns."""
    for seed in range(count):
        receipt = bool(seed % 2)
        dice = Random(seed)
        drawing, _ = (draw_receipt if receipt else draw_invoice)(dice, draw_bill(dice, receipt=receipt))
        blocks = tuple(
            Block(
                f"p001.b{n:03d}", "text", (to_grid(*one.box, drawing.width, drawing.height),), one.text, 0.99
            )
            for n, one in enumerate(drawing.placed, start=1)
        )
        size = PixelSize(round(drawing.width * 200 / 72), round(drawing.height * 200 / 72))
        page = ReadPage(PageImage(1, digest_of(drawing.pdf), "image/png", size), (digest_of(b"raw"),), blocks)
        name = "receipt" if receipt else "invoice"
        yield f"drawn {name}", load_schema(name), (page,)


def read_before(datasets: list[Path], var: Path) -> Iterator[Document]:
    """Labelled documents with the pages a store holds of them (what it lacks is read, which is not timed)."""
    shop = Workshop.from_settings(Machine(var).settings({}))
    for case in (case for path in datasets for case in read_dataset(path)):
        order = Order(case.doc_type)
        (journey,) = asyncio.run(batches.read_documents(shop, order, list_documents(shop, case.path)))
        if pages := load_pages(shop, journey):
            yield case.source, load_schema(case.doc_type), pages


def timed(document: Document) -> tuple[float, float]:
    """CPU milliseconds a page of reader and judge."""
    _, schema, pages = document
    start = time.process_time()
    candidate = read_layout(pages, schema)
    between = time.process_time()
    judge(schema, [candidate], pages, load_calibration())
    end = time.process_time()
    return 1000 * (between - start) / len(pages), 1000 * (end - between) / len(pages)


def measure(documents: Iterator[Document]) -> dict[str, list[tuple[float, float]]]:
    """Times by kind of document, the first of each kind left out."""
    times: dict[str, list[tuple[float, float]]] = {}
    warm: set[str] = set()
    for document in documents:
        spent = timed(document)
        if document[0] in warm:
            times.setdefault(document[0], []).append(spent)
        warm.add(document[0])
    return times


def report_of(times: dict[str, list[tuple[float, float]]], command: str) -> Report:
    """A row a kind; the ratio is the budget over the mean of all documents."""
    rows, raw = [], {}
    for kind, spent in sorted(times.items()):
        both = [reader + judged for reader, judged in spent]
        figures = (
            mean(r for r, _ in spent),
            mean(j for _, j in spent),
            mean(both),
            quantiles(both, n=20)[-1],
        )
        rows.append((kind, str(len(spent)), *(f"{figure:.1f}" for figure in figures)))
        raw[kind] = {
            "documents": len(spent),
            "ms_per_page": round(figures[2], 2),
            "p95_ms": round(figures[3], 2),
        }
    ours = mean(reader + judged for spent in times.values() for reader, judged in spent)
    columns = ("documents", "number", "reader ms/page", "judge ms/page", "both, mean", "both, 95th of 100")
    definition = (
        f"{BUDGET_MS:.0f} ms, the budget, over our mean CPU time a page ({ours:.1f} ms) in one process"
    )
    return Report("extract", command, BUDGET_MS / ours, definition, columns, tuple(rows), {"kinds": raw})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="labelled documents (DATASET.jsonl)")
    parser.add_argument("--store", type=Path, help="folder of a local store that holds their pages")
    options = parser.parse_args()
    if bool(options.data) != bool(options.store):
        parser.error("--data and --store belong together")
    count = QUICK_DOCUMENTS if options.quick else DOCUMENTS
    times = measure(drawn(count))
    if options.data:
        times |= measure(read_before(options.data, options.store))
    given = " --data DATASET.jsonl... --store VAR" if options.data else ""
    tell(
        report_of(times, f"python benchmarks/extract.py{' --quick' if options.quick else ''}{given}"), options
    )


if __name__ == "__main__":
    main()
