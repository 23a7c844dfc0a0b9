"""A seed and a count -> a folder of documents with `synth.jsonl` and boxes, as `ocr-ops eval` reads it.

The same seed gives the same documents, whatever their number: every document has dice of its own.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from ocr_ops.evaluate.synth.invoices import draw_invoice
from ocr_ops.evaluate.synth.receipts import draw_receipt
from ocr_ops.evaluate.synth.records import draw_bill
from ocr_ops.evaluate.synth.sheet import Drawing
from ocr_ops.evaluate.synth.wear import Wear, worn
from ocr_ops.mupdf import pymupdf

NAME = "synth.jsonl"


class BillType(StrEnum):
    """What is drawn."""

    RECEIPT = "receipt"
    INVOICE = "invoice"
    BOTH = "both"


def write_dataset(
    folder: Path,
    *,
    count: int,
    seed: int,
    bill_type: BillType = BillType.BOTH,
    wear: Wear = Wear.MIXED,
    advance: Callable[[int], None] = lambda count: None,
) -> Path:
    """Draw `count` documents into `folder`; returns the dataset file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        lines.append(
            json.dumps(_document(folder, seed, number, bill_type, wear), ensure_ascii=False, sort_keys=True)
        )
        advance(1)
    dataset = folder / NAME
    dataset.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return dataset


def _document(folder: Path, seed: int, number: int, bill_type: BillType, wear: Wear) -> dict[str, Any]:
    dice = Random(f"{seed}/{number}/{bill_type}/{wear}")  # noqa: S311 (drawing, not secrecy)
    receipt = dice.random() < 0.5 if bill_type is BillType.BOTH else bill_type is BillType.RECEIPT
    how = dice.choice((Wear.NONE, Wear.LIGHT, Wear.HEAVY)) if wear is Wear.MIXED else wear
    bill = draw_bill(dice, receipt=receipt)
    drawing, truth = (draw_receipt if receipt else draw_invoice)(dice, bill)
    name = f"synth_{seed}_{number:04d}_{'receipt' if receipt else 'invoice'}_{bill.country.language}_{how}"
    if how is Wear.NONE and not receipt:
        file, boxes = _as_pdf(folder, name, drawing)
    else:
        file, boxes = _as_picture(folder, name, drawing, how, dice)
    (folder / f"{name}.boxes.json").write_text(json.dumps(boxes, ensure_ascii=False), encoding="utf-8")
    return {
        "id": name,
        "source": f"synth/{'receipt' if receipt else 'invoice'}",
        "file": file,
        "doc_type": "receipt" if receipt else "invoice",
        "lang": bill.country.language,
        "wear": str(how),
        "truth": truth,
        "boxes_file": f"{name}.boxes.json",
    }


def _as_pdf(folder: Path, name: str, drawing: Drawing) -> tuple[str, dict[str, Any]]:
    (folder / f"{name}.pdf").write_bytes(drawing.pdf)
    boxes = [
        {"box": [round(c, 1) for c in one.box], "text": one.text, "field": one.field}
        for one in drawing.placed
    ]
    return f"{name}.pdf", {"width": drawing.width, "height": drawing.height, "boxes": boxes}


def _as_picture(
    folder: Path, name: str, drawing: Drawing, how: Wear, dice: Random
) -> tuple[str, dict[str, Any]]:
    dpi = dice.choice({Wear.NONE: (200, 300), Wear.LIGHT: (150, 200, 250), Wear.HEAVY: (120, 150, 200)}[how])
    with pymupdf.open(stream=drawing.pdf, filetype="pdf") as document:
        pixmap = document[0].get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY, alpha=False)
    clean = Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)
    picture, moved, quality = worn(clean, how, np.random.default_rng(dice.getrandbits(63)))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, dpi=(dpi, dpi))
    (folder / f"{name}.jpg").write_bytes(out.getvalue())
    scale = dpi / 72
    boxes = []
    for one in drawing.placed:
        x1, y1, x2, y2 = (corner * scale for corner in one.box)
        boxes.append(
            {"box": [round(c) for c in moved((x1, y1, x2, y2))], "text": one.text, "field": one.field}
        )
    return f"{name}.jpg", {"width": picture.width, "height": picture.height, "boxes": boxes}
