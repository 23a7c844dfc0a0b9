"""PDFs with a text layer to records: documents a second of the whole way in some processes, against an aim of 20.

    python benchmarks/text_layer.py [--data DATASET.jsonl...] [--workers 4] [--quick] [--json] [--record]

The whole way is what `ocr-ops process` does: file, opening (picture, text layer, what is hidden, attachments), page, layout
reader, the picture's witness, judge, record, everything kept in a new audit store on disk. Overlays, manifest and extras, which
people and the warehouse want, are timed after it. Postgres is not part of this: see `load`. Documents: drawn invoices, and with
`--data` the PDFs of labelled sets without their XML, each once. The plain way does as little as a script can: PyMuPDF opens the
file, reads the text and draws each page at 200 dpi, Pillow writes JPEG; it runs before and after ours in as many processes. Every
process does a few documents before the clock runs. CPU time of the steps is that of one more process, alone, document by document.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from _report import Report, add_options, tell
from PIL import Image

from ocr_ops.evaluate.dataset import read_dataset
from ocr_ops.evaluate.synth.dataset import BillType, write_dataset
from ocr_ops.evaluate.synth.wear import Wear
from ocr_ops.evaluate.variants import Variant, as_variant
from ocr_ops.local.machine import Machine
from ocr_ops.model import Stage, Status
from ocr_ops.mupdf import pymupdf
from ocr_ops.ocr import Room
from ocr_ops.pipeline import batches, steps
from ocr_ops.pipeline.journey import Journey, Order
from ocr_ops.pipeline.listing import list_documents
from ocr_ops.pipeline.opening import open_document
from ocr_ops.pipeline.outcome import outcome_of
from ocr_ops.pipeline.witness import witness_fields
from ocr_ops.pipeline.workshop import Workshop

AIM = 20.0
"""Documents a second on two cores."""
DRAWN, QUICK_DRAWN = 600, 12
WARM, CHUNK, STEPPED = 12, 4, 40
"""Documents before the clock runs; documents that `ocr-ops process` takes at a time; documents timed step by step."""
DPI, QUALITY = 200, 92

Files = Sequence[Path]
Spent = dict[str, float]
Way = Callable[[Files, Files, Path, Any], Spent]


@dataclass(frozen=True, slots=True)
class Run:
    """One way over some documents: seconds by the clock of the slowest process, CPU seconds of all."""

    documents: int
    seconds: float
    cpu: float
    after: float = 0.0
    pages: int = 0
    accepted: int = 0

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.documents / self.seconds


@contextmanager
def clocked(spent: Spent, name: str = "") -> Iterator[None]:
    """Add the CPU and wall seconds of what happens within."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent[name + "seconds"] = spent.get(name + "seconds", 0.0) + time.perf_counter() - wall
    spent[name + "cpu"] = spent.get(name + "cpu", 0.0) + time.process_time() - cpu


def workshop(folder: Path) -> Workshop:
    return Workshop.from_settings(Machine(folder).settings({}))


def through(shop: Workshop, files: Files) -> list[Journey]:
    """Files to records, as the command line does it."""
    found = list_documents(shop, *files)
    done: list[Journey] = []
    for start in range(0, len(found), CHUNK):
        read = asyncio.run(batches.read_documents(shop, Order(), found[start : start + CHUNK]))
        done += asyncio.run(batches.extract_documents(shop, Order(), read))
    return done


def ours(files: Files, warm: Files, folder: Path, ready: Any) -> Spent:
    """What one process spends on its share."""
    shop, spent = workshop(folder), Spent()
    for journey in through(shop, warm):
        outcome_of(shop, journey)
    ready.wait()
    with clocked(spent):
        journeys = through(shop, files)
    ready.wait()
    with clocked(spent, "after "):
        outcomes = [outcome_of(shop, journey)[0] for journey in journeys]
    spent["pages"] = sum(len(one.pages) for one in outcomes)
    spent["accepted"] = sum(one.status is Status.ACCEPTED for one in outcomes)
    return spent


def plain(files: Files, warm: Files, folder: Path, ready: Any) -> Spent:
    """As little as a script can do."""
    spent = Spent()
    for file in warm:
        plainly(file)
    ready.wait()
    with clocked(spent):
        spent["pages"] = sum(plainly(file) for file in files)
    ready.wait()
    return spent


def plainly(file: Path) -> int:
    """Text and JPEG of every page."""
    with pymupdf.open(file) as document:
        for page in document:
            page.get_text()
            drawn = page.get_pixmap(dpi=DPI, alpha=False)
            Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples).save(
                io.BytesIO(), "JPEG", quality=QUALITY
            )
        return int(document.page_count)


def run(way: Way, files: Files, warm: Files, workers: int) -> Run:
    """One way in some processes at once, each with its share and all with one new store."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, context.Manager() as manager:
        ready = manager.Barrier(workers)
        shares = [(files[n::workers], warm[n::workers], Path(folder), ready) for n in range(workers)]
        with context.Pool(workers) as pool:
            spent = pool.starmap(way, shares, chunksize=1)
    return Run(
        len(files),
        max(one["seconds"] for one in spent),
        sum(one["cpu"] for one in spent),
        max(one.get("after seconds", 0.0) for one in spent),
        int(sum(one["pages"] for one in spent)),
        int(sum(one.get("accepted", 0) for one in spent)),
    )


def stepped(files: Files, warm: Files) -> Spent:
    """CPU milliseconds a document of every step, in this process."""
    spent = Spent()
    with tempfile.TemporaryDirectory() as folder:
        shop = workshop(Path(folder))
        for file in warm:
            asyncio.run(one_by_one(shop, file, Spent()))
        for file in files:
            asyncio.run(one_by_one(shop, file, spent))
    return {
        name.removesuffix(" cpu"): 1000 * spent[name] / len(files) for name in spent if name.endswith(" cpu")
    }


async def one_by_one(shop: Workshop, file: Path, spent: Spent) -> None:
    """One document, with the clock on every step."""
    engine, room = shop.engine(), Room(1)
    ways: tuple[tuple[str, Stage, steps.Step], ...] = (
        ("open", Stage.OPEN, partial(open_document, shop, None)),
        ("read", Stage.READ, partial(steps.read_pages, shop, engine, room)),
        ("render", Stage.RENDER, partial(steps.render_document, shop)),
        ("extract", Stage.EXTRACT, partial(steps.extract_fields, shop, None, Order())),
        ("witness", Stage.VALIDATE, partial(witness_fields, shop)),
        ("judge", Stage.VALIDATE, partial(steps.judge_fields, shop)),
    )
    with clocked(spent, "find "):
        (journey,) = list_documents(shop, file)
    for name, stage, step in ways:
        with clocked(spent, f"{name} "):
            journey = await steps.isolated(stage, journey, step)
    with clocked(spent, "overlay, manifest "):
        outcome_of(shop, journey)
    await engine.close()


def documents(options: argparse.Namespace, folder: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """PDFs by kind, and some more to warm up with."""
    count = QUICK_DRAWN if options.quick else DRAWN
    write_dataset(folder, count=count + WARM, seed=20, bill_type=BillType.INVOICE, wear=Wear.NONE)
    drawn = sorted(folder.glob("*.pdf"))
    kinds = {"drawn invoices": drawn[WARM:]}
    cases = (case for dataset in options.data for case in read_dataset(dataset))
    real = [as_variant(case, Variant.NO_XML, folder / "real").path for case in cases]
    kinds |= {"real, without XML": [path for path in real if path.suffix == ".pdf"]} if real else {}
    return kinds, drawn[:WARM]


def row_of(kind: str, bound: Run, mine: Run, cost: Spent) -> tuple[str, ...]:
    rates = (mine.rate, mine.pages / mine.seconds, mine.documents / (mine.seconds + mine.after), bound.rate)
    told = ", ".join(f"{name} {ms:.0f}" for name, ms in cost.items())
    cpu = (f"{1000 * one.cpu / one.documents:.0f}" for one in (mine, bound))
    return (kind, f"{mine.documents} ({mine.pages})", *(f"{rate:.1f}" for rate in rates), *cpu, told)


def both(one: Run, other: Run) -> Run:
    """Two runs of the same documents as one."""
    return replace(
        one,
        documents=one.documents + other.documents,
        seconds=one.seconds + other.seconds,
        cpu=one.cpu + other.cpu,
    )


def measure(options: argparse.Namespace) -> Report:
    rows, runs, raw = [], [], dict[str, object]()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        kinds, warm = documents(options, Path(folder))
        for kind, files in kinds.items():
            first = run(plain, files, warm, options.workers)
            mine = run(ours, files, warm, options.workers)
            bound = both(first, run(plain, files, warm, options.workers))
            cost = stepped(files[:STEPPED], warm)
            rows.append(row_of(kind, bound, mine, cost))
            raw[kind] = {
                "per_s": round(mine.rate, 2),
                "plain_per_s": round(bound.rate, 2),
                "accepted": mine.accepted,
                "cpu_ms": {name: round(ms, 1) for name, ms in cost.items()},
            }
            runs.append(mine)
    return report_of(options, rows, runs, raw, before)


def report_of(
    options: argparse.Namespace,
    rows: Sequence[tuple[str, ...]],
    runs: Sequence[Run],
    raw: dict[str, object],
    load: float,
) -> Report:
    columns = (
        "documents", "number (pages)", "records/s", "pages/s", "with overlays/s", "plain/s", "CPU ms", "plain CPU ms",
        "CPU ms of each step, one process",
    )  # fmt: skip
    rate = sum(one.documents for one in runs) / sum(one.seconds for one in runs)
    alone = options.workers * sum(one.documents for one in runs) / sum(one.cpu for one in runs)
    definition = (
        f"{rate:.1f} records a second over the aim of {AIM:.0f}, {options.workers} processes; their CPU time alone would allow "
        f"{alone:.1f} a second; load average {load:.1f} before and {os.getloadavg()[0]:.1f} after, our own included"
    )
    given = f"{' --quick' if options.quick else ''}{' --data DATASET.jsonl...' if options.data else ''}"
    return Report(
        "text_layer",
        f"python benchmarks/text_layer.py{given}",
        rate / AIM,
        definition,
        columns,
        tuple(rows),
        raw,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="labelled documents (DATASET.jsonl)")
    parser.add_argument(
        "--workers", type=int, default=4, help="processes; two a core, as they wait for the disk in turn"
    )
    options = parser.parse_args()
    tell(measure(options), options)


if __name__ == "__main__":
    main()
