"""A whole pipeline on a folder and a database of the test's own, without Airflow, and the questions tests ask of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from databases import execute
from ocr_ops.engines import Engine
from ocr_ops.model import PageImage, RawPage, ReplyFormat
from ocr_ops.pipeline import batches, planning
from ocr_ops.pipeline.journey import Order
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.settings import OcrEngine, Settings
from ocr_ops.warehouse import Warehouse, migrate

SAMPLES = Path(__file__).parents[1] / "samples"
INVOICE = SAMPLES / "invoice_en_cloud_services.pdf"
"""One page with a text layer, 4.11 USD."""
LONG_AGO_S = 1_700_000_000

RECEIPT_LINES = (
    "HARBOUR LANE BOOKS",
    "14/03/2025",
    "SUBTOTAL 33.50",
    "VAT 6.70",
    "TOTAL 40.20",
    "CASH 40.20",
)


@dataclass(frozen=True, slots=True)
class Bench(Workshop):
    """The workshop, with an engine of the test's own where it gives one."""

    make_engine: Callable[[], Engine] | None = None

    def engine(self, name: OcrEngine | None = None) -> Engine:
        """The test's engine, or the real one."""
        return self.make_engine() if self.make_engine else Workshop.engine(self, name)


def bench(
    folder: Path, url: str = "", make_engine: Callable[[], Engine] | None = None, **settings: str
) -> Bench:
    """Settings as a person would give them; everything that is kept lies in `folder`, the database is migrated."""
    given = {f"OCR_OPS_{name.upper()}": value for name, value in settings.items()}
    env = {"OCR_OPS_DATABASE_URL": url, "OCR_OPS_AUDIT_URI": f"file://{folder / 'audit'}"} | given
    if url:
        migrate(url)
    made = Workshop.from_settings(Settings.from_env(env))
    return Bench(made.settings, made.store, make_engine=make_engine)


def run(shop: Workshop, folder: Path, run_id: str = "run 1", **order: Any) -> list[dict[str, int]]:
    """Plan, read, extract and load as the DAG does; the counts of every batch."""
    counts = []
    for batch in planning.plan(shop, folder, Order(**order), run_id=run_id, dag_id="ingest_folder"):
        extracted = batches.extract_batch(shop, batches.read_batch(shop, batch))
        counts.append(batches.load_batch(shop, extracted, run_id=run_id))
    batches.finish(shop, run_id)
    return counts


def documents(url: str) -> dict[str, dict[str, Any]]:
    """`marts.documents` by name; AssertionError when a name is there twice."""
    rows = execute(url, "select row_to_json(d)::text from marts.documents d")
    listed = [json.loads(row[0]) for row in rows]
    found = {one["name"]: one for one in listed}
    assert len(found) == len(listed), sorted(one["name"] for one in listed)
    return found


def problems(url: str, name: str) -> set[str]:
    """The kinds of problems recorded for a document."""
    query = (
        "select p.kind from extraction.problems p join marts.documents d using (document_key) where d.name = "
    )
    return {row[0] for row in execute(url, f"{query}'{name}'")}


def story(url: str, name: str) -> dict[str, Any]:
    """Everything the warehouse holds about a document."""
    with Warehouse(url) as warehouse:
        found = warehouse.document(name)
    assert found is not None
    return found


def aged(*paths: Path) -> None:
    """Make files look as if nobody had touched them for long, so that nobody waits for them."""
    for path in paths:
        os.utime(path, (LONG_AGO_S, LONG_AGO_S), follow_symlinks=False)


def picture(folder: Path, name: str, text: str = "receipt") -> Path:
    """A small picture of a till roll, different for every name."""
    image = Image.new("RGB", (400, 900), (250, 250, 250))
    ImageDraw.Draw(image).text((20, 40), f"{text} {name}", fill=(10, 10, 10))
    image.save(folder / name)
    aged(folder / name)
    return folder / name


class ScriptedEngine:
    """Reads every page as the same lines; counts calls; raises what `faults` gives for the n-th call (from 1)."""

    def __init__(
        self, lines: tuple[str, ...] = RECEIPT_LINES, faults: Mapping[int, Exception] | None = None
    ) -> None:
        self.lines = lines
        self.faults = dict(faults or {})
        self.pages: list[str] = []
        self.closed = 0

    @property
    def identity(self) -> Mapping[str, str]:
        return {"engine": "scripted", "version": "1"}

    async def read(self, page: PageImage, picture: bytes) -> RawPage:
        self.pages.append(page.digest)
        if fault := self.faults.get(len(self.pages)):
            raise fault
        lines = [
            {"text": text, "box": [100, 60 * n, 800, 60 * n + 30], "score": 0.99}
            for n, text in enumerate(self.lines, start=1)
        ]
        return RawPage(page.number, "scripted", "lines", "1", ReplyFormat.LINES, json.dumps(lines))

    async def close(self) -> None:
        self.closed += 1
