"""A folder -> documents to process: found, waited for, sniffed, hashed, told apart from those known already."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocr_ops import source
from ocr_ops.codec import digest_of
from ocr_ops.errors import UnreadableDocument
from ocr_ops.model import Attachment, Digest, Problem, ProblemKind, SourceDocument, Stage
from ocr_ops.pipeline.journey import Journey
from ocr_ops.pipeline.weighing import expected_pages
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.rows import uri_key
from ocr_ops.warehouse import Stamp, Warehouse

QUIET_S = 2.0
"""A file that did not change for so long is complete."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into some folders found: documents that were opened, and files that look as when they were opened last."""

    opened: tuple[Journey, ...] = ()
    stamps: tuple[tuple[Stamp, str], ...] = ()
    """How the opened files looked, and which document each belongs to."""
    unchanged: tuple[SourceDocument, ...] = ()
    """Known documents whose files were left alone; of an unreadable one the digest is empty."""

    @property
    def found(self) -> int:
        """How many documents there are."""
        return len(self.opened) + len(self.unchanged)


def list_documents(shop: Workshop, *folders: Path, warehouse: Warehouse | None = None) -> list[Journey]:
    """Every document of some folders (or single files), each once, in name order; repetitions are set aside.

    Files still being written are left for later. Of files with the same bytes the one that `warehouse` holds is the
    original, else the first.
    """
    return list(look_through(shop, *folders, warehouse=warehouse).opened)


def look_through(
    shop: Workshop, *folders: Path, warehouse: Warehouse | None = None, open_all: bool = True
) -> Look:
    """The same, and what is needed to do less the next time; without `open_all` files that look as before stay closed."""
    roots = tuple(Path(root) for root in shop.settings.allowed_roots)
    found = {
        file.path: file for folder in folders for file in source.find_documents(folder, allowed_roots=roots)
    }
    stable, still_written = source.wait_until_stable(list(found.values()), quiet_s=QUIET_S)
    stamps = {file.path: _stamp_of(file) for file in stable}
    held = warehouse.unchanged(list(stamps.values())) if warehouse and not open_all else {}
    to_open, closed = _parted(stable, stamps, held)
    journeys, beside = _opened(shop, to_open)
    unchanged = tuple(_left_alone(file, held[stamps[file.path].place]) for file in closed)
    waiting = [_still_written(file) for file in still_written]
    journeys = _told_apart([*journeys, *waiting], warehouse, {one.uri for one in unchanged})
    belongs = {journey.uri: key_of(journey) for journey in journeys if not _is_waiting(journey)}
    owners = ((file.path, beside.get(file.path) or file.path.as_uri()) for file in to_open)
    noted = tuple((stamps[path], belongs[uri]) for path, uri in owners if uri in belongs)
    return Look(tuple(journeys), noted, unchanged)


def _stamp_of(file: source.FoundFile) -> Stamp:
    return Stamp(uri_key(file.path.as_uri()), file.size_bytes, file.modified_ns, file.changed_ns)


def _parted(
    files: Sequence[source.FoundFile], stamps: Mapping[Path, Stamp], held: Mapping[str, str]
) -> tuple[list[source.FoundFile], list[source.FoundFile]]:
    """Files to open, and known ones to leave alone. Files of one name (a document and its e-invoice) go together."""
    moved = {_stem(file) for file in files if stamps[file.path].place not in held}
    to_open = [file for file in files if _stem(file) in moved]
    closed = [file for file in files if _stem(file) not in moved]
    claims = {(held[stamps[file.path].place], _stem(file)) for file in closed if not _is_xml(file)}
    # an e-invoice beside a document is that document, and counts once
    return to_open, [
        file
        for file in closed
        if not (_is_xml(file) and (held[stamps[file.path].place], _stem(file)) in claims)
    ]


def _stem(file: source.FoundFile) -> str:
    return str(file.path).removesuffix(file.path.suffix)


def _is_xml(file: source.FoundFile) -> bool:
    return file.path.suffix.lower() == ".xml"


def _left_alone(file: source.FoundFile, key: str) -> SourceDocument:
    digest = Digest(key if key.startswith("sha256:") else "")
    return SourceDocument(file.path.as_uri(), file.name, digest, "", file.size_bytes)


def _opened(shop: Workshop, files: Sequence[source.FoundFile]) -> tuple[list[Journey], dict[Path, str]]:
    """The documents of some files; and which document an e-invoice beside one belongs to."""
    with_xml = {file.path: beside for file in files if (beside := _beside(shop, file)) is not None}
    claimed = {path.with_suffix(".xml"): path.as_uri() for path in with_xml}
    journeys, belongs = [], {}
    for file in files:
        owner = claimed.get(file.path.with_suffix(file.path.suffix.lower()))
        if owner is not None:
            belongs[file.path] = owner
            continue
        journey, beside = _journey(shop, file), with_xml.get(file.path, ())
        if journey.source and beside:
            journey = replace(journey, source=replace(journey.source, beside=beside))
        journeys.append(journey)
    return journeys, belongs


def _still_written(file: source.FoundFile) -> Journey:
    words = "the file is still being written; it is left for the next run"
    waiting = Problem(Stage.FIND, ProblemKind.STILL_WRITTEN, words)
    return Journey(file.path.as_uri(), file.name, file.size_bytes).quarantined(waiting)


def _is_waiting(journey: Journey) -> bool:
    return any(problem.kind is ProblemKind.STILL_WRITTEN for problem in journey.problems)


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
        document, data = source.load_source(file, shop.settings.limits)
    except UnreadableDocument as problem:
        reason = Problem(Stage.FIND, ProblemKind(problem.kind), problem.detail)
        return _with_bytes_kept(shop, file, journey).quarantined(reason)
    return replace(journey, source=document, pages_expected=expected_pages(document.media_type, data))


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


def _told_apart(
    journeys: Sequence[Journey], warehouse: Warehouse | None, near: Collection[str] = ()
) -> list[Journey]:
    """Set aside all but one of the documents with the same bytes; `near` are places of known ones that stayed closed."""
    places: dict[Digest, list[Journey]] = {}
    for journey in journeys:
        if journey.source is not None:
            places.setdefault(journey.source.digest, []).append(journey)
    asked = [digest for digest, found in places.items() if near or len(found) > 1]
    lines = {line.document_key: line for line in warehouse.lines(asked)} if warehouse and asked else {}
    originals: dict[Digest, tuple[str, str]] = {}
    for digest, found in places.items():
        line = lines.get(digest)
        if line is not None and line.uri in near:
            originals[digest] = (line.uri, line.name)
        elif len(found) > 1:
            first = next((one for one in found if line and one.uri == line.uri), found[0])
            originals[digest] = (first.uri, first.name)
    return [_or_duplicate(journey, originals) for journey in journeys]


def _or_duplicate(journey: Journey, originals: Mapping[Digest, tuple[str, str]]) -> Journey:
    uri, name = originals.get(journey.source.digest, ("", "")) if journey.source else ("", "")
    return journey if not uri or uri == journey.uri else _duplicate(journey, name)


def _duplicate(journey: Journey, original: str) -> Journey:
    detail = f"has the same bytes as {original}, which is loaded once"
    return journey.quarantined(Problem(Stage.FIND, ProblemKind.DUPLICATE, detail))
