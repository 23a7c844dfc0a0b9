"""A folder -> documents to process: found, waited for, sniffed, hashed, told apart from those known already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ocr_ops import source
from ocr_ops.codec import digest_of
from ocr_ops.errors import UnreadableDocument
from ocr_ops.model import Attachment, Digest, Problem, ProblemKind, SourceDocument, Stage
from ocr_ops.pipeline.journey import Journey
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.rows import uri_key
from ocr_ops.warehouse import Warehouse

QUIET_S = 2.0
"""A file that did not change for so long is complete."""


def list_documents(shop: Workshop, *folders: Path, warehouse: Warehouse | None = None) -> list[Journey]:
    """Every document of some folders (or single files), each once, in name order; repetitions are set aside.

    Files still being written are left for later. Of files with the same bytes the one that `warehouse` holds is the
    original, else the first.
    """
    listed = {journey.uri: journey for folder in folders for journey in _documents_of(shop, folder)}
    return _told_apart(list(listed.values()), warehouse)


def _documents_of(shop: Workshop, folder: Path) -> Iterator[Journey]:
    roots = tuple(Path(root) for root in shop.settings.allowed_roots)
    found = source.find_documents(folder, allowed_roots=roots)
    stable, still_written = source.wait_until_stable(found, quiet_s=QUIET_S)
    with_xml = {file.path: beside for file in stable if (beside := _beside(shop, file)) is not None}
    claimed = {path.with_suffix(".xml") for path in with_xml}
    for file in stable:
        if file.path.with_suffix(file.path.suffix.lower()) not in claimed:
            journey, beside = _journey(shop, file), with_xml.get(file.path, ())
            yield (
                replace(journey, source=replace(journey.source, beside=beside)) if journey.source else journey
            )
    for file in still_written:
        waiting = Problem(
            Stage.FIND,
            ProblemKind.STILL_WRITTEN,
            "the file is still being written; it is left for the next run",
        )
        yield Journey(file.path.as_uri(), file.name, file.size_bytes).quarantined(waiting)


def _beside(shop: Workshop, file: source.FoundFile) -> tuple[Attachment, ...] | None:
    """The e-invoice beside a document, kept; it belongs to that document and is none by itself."""
    found = source.einvoice_beside(file, shop.settings.limits)
    if found is None:
        return None
    name, data = found
    return (Attachment(name, shop.store.put(data), len(data)),)


def unknown(warehouse: Warehouse, journeys: Sequence[Journey]) -> list[Journey]:
    """Those documents that the warehouse does not hold, found in one query."""
    known = warehouse.known([key_of(journey) for journey in journeys])
    return [journey for journey in journeys if key_of(journey) not in known]


def key_of(journey: Journey) -> str:
    """The warehouse's natural key of a document: its bytes, or its place where those are unknown or a repetition."""
    repeats = any(problem.kind is ProblemKind.DUPLICATE for problem in journey.problems)
    return uri_key(journey.uri) if journey.source is None or repeats else str(journey.source.digest)


def _journey(shop: Workshop, file: source.FoundFile) -> Journey:
    journey = Journey(file.path.as_uri(), file.name, file.size_bytes)
    try:
        document, _ = source.load_source(file, shop.settings.limits)
    except UnreadableDocument as problem:
        reason = Problem(Stage.FIND, ProblemKind(problem.kind), problem.detail)
        return _with_bytes_kept(shop, file, journey).quarantined(reason)
    return replace(journey, source=document)


def _with_bytes_kept(shop: Workshop, file: source.FoundFile, journey: Journey) -> Journey:
    """Keep what cannot be opened too, where it can be read at all: somebody will ask what it was."""
    try:
        if file.fault or not 0 < file.path.stat().st_size <= shop.settings.max_bytes:
            return journey
        data = file.path.read_bytes()
    except OSError:
        return journey
    shop.store.put(data)
    document = SourceDocument(
        journey.uri, journey.name, digest_of(data), "application/octet-stream", len(data)
    )
    return replace(journey, source=document)


def _told_apart(journeys: Sequence[Journey], warehouse: Warehouse | None) -> list[Journey]:
    """Set aside all but one of the documents with the same bytes."""
    places: dict[Digest, list[Journey]] = {}
    for journey in journeys:
        if journey.source is not None:
            places.setdefault(journey.source.digest, []).append(journey)
    repeated = {digest: found for digest, found in places.items() if len(found) > 1}
    held = {line.document_key: line.uri for line in warehouse.lines(list(repeated))} if warehouse else {}
    originals = {
        digest: next((one for one in found if one.uri == held.get(digest)), found[0])
        for digest, found in repeated.items()
    }
    return [_or_duplicate(journey, originals) for journey in journeys]


def _or_duplicate(journey: Journey, originals: Mapping[Digest, Journey]) -> Journey:
    original = originals.get(journey.source.digest) if journey.source else None
    return journey if original is None or original.uri == journey.uri else _duplicate(journey, original.name)


def _duplicate(journey: Journey, original: str) -> Journey:
    detail = f"has the same bytes as {original}, which is loaded once"
    return journey.quarantined(Problem(Stage.FIND, ProblemKind.DUPLICATE, detail))
