"""A labelled PDF -> the same document with less said by the file: without its attachments, or as pictures alone.

An e-invoice answers through its XML, a born-digital PDF through its text layer; each way of reading is measured by taking the easier
ones away. Copies are written once under names that hold the source's digest.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from ocr_ops.codec import digest_of
from ocr_ops.evaluate.dataset import Case
from ocr_ops.mupdf import pymupdf

PICTURE_DPI = 200


class Variant(StrEnum):
    """What is left of a PDF."""

    AS_IS = "as-is"
    NO_XML = "no-xml"
    PICTURE = "picture"


def as_variant(case: Case, variant: Variant, folder: Path) -> Case:
    """The case with its PDF replaced by a copy in `folder`; other files, and `AS_IS`, come back as they are."""
    if variant is Variant.AS_IS or case.path.suffix.lower() != ".pdf":
        return case
    data = case.path.read_bytes()
    copy = folder / f"{digest_of(data)[7:19]}.{variant}.pdf"
    if not copy.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = copy.with_suffix(".part")
        part.write_bytes(_without_attachments(data) if variant is Variant.NO_XML else _pictures(data))
        part.replace(copy)
    return replace(case, path=copy)


def _without_attachments(data: bytes) -> bytes:
    """The pages alone in a new file: attachments also hang on the catalogue's and the pages' /AF, not only on the list of names."""
    with pymupdf.open(stream=data, filetype="pdf") as document, pymupdf.open() as copy:
        copy.insert_pdf(document)
        for page in copy:
            copy.xref_set_key(page.xref, "AF", "null")
        return bytes(copy.tobytes(garbage=3, deflate=True, no_new_id=True))


def _pictures(data: bytes) -> bytes:
    with pymupdf.open(stream=data, filetype="pdf") as document, pymupdf.open() as copy:
        for page in document:
            picture = page.get_pixmap(dpi=PICTURE_DPI, alpha=False).tobytes("jpeg", jpg_quality=90)
            copy.new_page(width=page.rect.width, height=page.rect.height).insert_image(
                page.rect, stream=picture
            )
        return bytes(copy.tobytes(deflate=True, no_new_id=True))
