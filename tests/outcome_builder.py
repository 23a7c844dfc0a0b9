"""Outcomes made by hand for the tests of rows and warehouse: a small invoice, and what can go wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ocr_ops.codec import digest_of
from ocr_ops.model import (
    Block,
    Digest,
    Evidence,
    GridBox,
    Match,
    Outcome,
    PageImage,
    PixelSize,
    Problem,
    ProblemKind,
    ReadPage,
    Record,
    RuleResult,
    Stage,
    Status,
)

INVOICE: dict[str, Any] = {
    "invoice_number": "RE-2024-17",
    "issue_date": "2024-03-05",
    "seller_name": "Müller & Söhne GmbH",
    "currency": "EUR",
    "net_total": "100.00",
    "tax_total": "19.00",
    "grand_total": "119.00",
    "line_items": [
        {"description": "Bolts", "quantity": "10", "unit_price": "4.00", "line_total": "40.00"},
        {"description": "Nuts", "quantity": "12.5", "unit_price": "4.80", "line_total": "60.00"},
    ],
}

RECEIPT: dict[str, Any] = {
    "merchant_name": "Kopi Tiam",
    "date": "2018-02-14",
    "time": "13:05",
    "currency": "MYR",
    "total": "8.20",
    "line_items": [{"description": "KOPI O", "line_total": "8.20"}],
}


def digest(words: str) -> Digest:
    """Some digest, always the same for the same words."""
    return digest_of(words.encode())


def page(number: int = 1) -> ReadPage:
    """A page of 1000 x 2000 pixels with the grand total in block p001.b002."""
    name = f"p{number:03}"
    blocks = (
        Block(f"{name}.b001", "text", (GridBox(99.9, 49.95, 199.8, 99.9),), "RE-2024-17", 0.98764),
        Block(f"{name}.b002", "text", (GridBox(500, 900, 600, 920),), "119,00 EUR"),
    )
    picture = PageImage(number, digest(f"picture {number}"), "image/png", PixelSize(1000, 2000), dpi=200.0)
    return ReadPage(picture, (digest(f"raw {number}"),), blocks)


def record(values: dict[str, Any] | None = None, **changes: Any) -> Record:
    """A judged invoice."""
    made = Record(
        doc_type="invoice",
        schema_version=1,
        schema_fingerprint=digest("schema"),
        status=Status.ACCEPTED,
        values=INVOICE if values is None else values,
        evidence=(
            Evidence("/grand_total", Match.NORMALISED, 1, ("p001.b002",), "119,00 EUR"),
            Evidence("/invoice_number", Match.EXACT, 1, ("p001.b001",), "RE-2024-17"),
        ),
        rules=(RuleResult("net_and_tax_make_gross", True, ("/net_total", "/grand_total"), "100.00 + 19.00"),),
        readers=("layout",),
    )
    return replace(made, **changes)


def outcome(name: str = "a.pdf", **changes: Any) -> Outcome:
    """An accepted invoice of one page; every name is a document of its own."""
    made = Outcome(
        uri=f"file:///in/{name}",
        name=name,
        digest=digest(f"file {name}"),
        status=Status.ACCEPTED,
        doc_type="invoice",
        media_type="application/pdf",
        size_bytes=12_345,
        pages=(page(),),
        record=record(),
        artifacts={
            "source": digest(f"file {name}"),
            "page/1/picture": digest("picture 1"),
            "page/1/raw/1": digest("raw 1"),
            "record": digest(f"record {name}"),
            "manifest": digest(f"manifest {name}"),
        },
        timings={"open": 0.1, "read": 1.5},
    )
    return replace(made, **changes)


def receipt(name: str = "r.png", **changes: Any) -> Outcome:
    """An accepted receipt."""
    judged = record(RECEIPT, doc_type="receipt", evidence=(), rules=())
    return outcome(name, doc_type="receipt", record=judged, media_type="image/png", **changes)


def unreadable(name: str = "x.pdf", kind: ProblemKind = ProblemKind.ENCRYPTED, **changes: Any) -> Outcome:
    """A quarantined file with a reason in words."""
    why = Problem(Stage.OPEN, kind, "The file is locked with a password.")
    return Outcome(
        f"file:///in/{name}",
        name,
        changes.pop("digest", None),
        Status.QUARANTINED,
        problems=(why,),
        **changes,
    )
