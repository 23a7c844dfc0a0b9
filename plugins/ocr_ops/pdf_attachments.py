"""Files inside a PDF, wherever the standard lets them be: the name tree, associated files, and notes with a paper clip.

In: an open PyMuPDF document. Out: each attachment once, within bounds; one that cannot be read or is too large is left
out. The tree may be deep, run in circles or lie: walks are bounded, and a stream is measured before it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymupdf import mupdf

from ocr_ops.codec import digest_of
from ocr_ops.model import Attachment
from ocr_ops.mupdf import pymupdf

MOST_ATTACHMENTS, MOST_ATTACHED_BYTES = 20, 50_000_000
_MOST_NODES = 5_000
"""Nodes of the name tree, entries of arrays and notes that are looked at in one document."""
_STREAM_KEYS = ("UF", "F")


def attachments_of(document: Any) -> tuple[tuple[Attachment, bytes], ...]:
    """Every attachment with its bytes, those of the name tree first."""
    kept: list[tuple[Attachment, bytes]] = []
    seen: set[int] = set()
    left = MOST_ATTACHED_BYTES
    for name, stream in _streams(document):
        xref = mupdf.pdf_to_num(stream)
        if xref in seen:
            continue
        seen.add(xref)
        data = _contents(document, xref, left)
        if data is None:
            continue
        left -= len(data)
        kept.append((Attachment(name, digest_of(data), len(data)), data))
        if len(kept) == MOST_ATTACHMENTS:
            break
    return tuple(kept)


def _streams(document: Any) -> Iterator[tuple[str, Any]]:
    """Name and stream of every file specification; a specification may hold two streams that differ."""
    for specification in _specifications(document):
        files = _get(specification, "EF")
        name = next((text for key in _STREAM_KEYS if (text := _text(_get(specification, key)))), "")
        for key in _STREAM_KEYS:
            stream = _get(files, key)
            if mupdf.pdf_is_stream(stream):
                yield name[:200], stream


def _specifications(document: Any) -> Iterator[Any]:
    try:
        pdf = pymupdf._as_pdf_document(document)
        root = _get(mupdf.pdf_trailer(pdf), "Root")
        yield from _tree_values(_get(_get(root, "Names"), "EmbeddedFiles"))
        yield from _entries(_get(root, "AF"))
        for number in range(document.page_count):
            page = mupdf.pdf_lookup_page_obj(pdf, number)
            yield from _entries(_get(page, "AF"))
            for note in _entries(_get(page, "Annots")):
                yield _get(note, "FS")
    except Exception:  # whatever MuPDF raises here: the list is damaged from there on
        return


def _tree_values(root: Any) -> Iterator[Any]:
    """Values of a name tree, first leaf first; branches may nest (`/Kids`)."""
    waiting, seen, nodes = [root], set[int](), 0
    while waiting and nodes < _MOST_NODES:
        node = waiting.pop()
        number = int(mupdf.pdf_to_num(node))
        if number and number in seen:
            continue
        seen.add(number)
        nodes += 1
        yield from list(_entries(_get(node, "Names")))[1::2]
        waiting += list(_entries(_get(node, "Kids")))[::-1]


def _entries(array: Any) -> Iterator[Any]:
    if mupdf.pdf_is_array(array):
        for place in range(min(mupdf.pdf_array_len(array), _MOST_NODES)):
            yield mupdf.pdf_array_get(array, place)


def _get(holder: Any, key: str) -> Any:
    return mupdf.pdf_dict_gets(holder, key)


def _text(value: Any) -> str:
    return str(mupdf.pdf_to_text_string(value)) if mupdf.pdf_is_string(value) else ""


def _contents(document: Any, xref: int, most: int) -> bytes | None:
    """The stream, unless it is damaged or unfolds to more than `most` bytes.

    A megabyte in the file may unfold to gigabytes, and the length it declares may be a lie: so it is unfolded once
    without being kept.
    """
    try:
        stream = mupdf.pdf_open_stream_number(pymupdf._as_pdf_document(document), xref)
        if int(mupdf.fz_skip(stream, most + 1)) > most:
            return None
        return bytes(document.xref_stream(xref))
    except Exception:  # a decoder's fault is a damaged attachment whatever it raises
        return None
