"""A folder or a bucket -> documents to process: found, waited for, sniffed, hashed, told apart from those known already.

A listing goes on in parts of some thousand files: one part is in memory at a time, and each asks the warehouse once what of it is
known. What has to be remembered from part to part is on disk (`scratch`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ocr_ops import source
from ocr_ops.codec import digest_of
from ocr_ops.errors import UnreadableDocument
from ocr_ops.found_objects import is_bucket
from ocr_ops.model import Attachment, Digest, Problem, ProblemKind, SourceDocument, Stage
from ocr_ops.pipeline.journey import Journey
from ocr_ops.pipeline.scratch import Scratch
from ocr_ops.pipeline.weighing import expected_pages
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.rows import uri_key
from ocr_ops.source import Found, Place
from ocr_ops.warehouse import DocumentLine, Stamp, Warehouse

QUIET_S = 2.0
"""A file that did not change for so long is complete."""
TOGETHER = 2_000
"""Files of one part of a listing; files of one name are never parted."""
_XML = ".xml"


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into some places found: documents that were opened, and files that look as when they were opened last."""

    opened: tuple[Journey, ...] = ()
    stamps: tuple[tuple[Stamp, str], ...] = ()
    """How the opened files looked, and which document each belongs to."""
    unchanged: tuple[SourceDocument, ...] = ()
    """Known documents whose files were left alone; of an unreadable one the digest is empty."""

    @property
    def found(self) -> int:
        """How many documents there are."""
        return len(self.opened) + len(self.unchanged)


def list_documents(shop: Workshop, *places: Place, warehouse: Warehouse | None = None) -> list[Journey]:
    """Every document of some folders (or single files, or buckets), each once, in name order; repetitions are set aside.

    Files still being written are left for later. Of files with the same bytes the one that `warehouse` holds is the
    original, else the first.
    """
    return list(look_through(shop, *places, warehouse=warehouse).opened)


def look_through(
    shop: Workshop, *places: Place, warehouse: Warehouse | None = None, open_all: bool = True
) -> Look:
    """The same at once, and what is needed to do less the next time."""
    parts = list(looks(shop, *places, warehouse=warehouse, open_all=open_all))
    return Look(
        tuple(one for part in parts for one in part.opened),
        tuple(one for part in parts for one in part.stamps),
        tuple(one for part in parts for one in part.unchanged),
    )


def looks(
    shop: Workshop, *places: Place, warehouse: Warehouse | None = None, open_all: bool = True
) -> Iterator[Look]:
    """The same part by part, in the order of paths, files that are still fresh last.

    Without `open_all` files that look as before stay closed.
    """
    with Scratch() as scratch:
        listing = _Listing(shop, places, warehouse, open_all, scratch)
        young: list[Found] = []
        for files in _parts(_listed(shop, places), whole=len(places) > 1):
            old, fresh = _by_age(files)
            young += fresh
            yield listing.look(old)
        # a fault stays one: whether a link leads out of the folder is known only where it was listed
        again = [file if file.fault else file.again() for file in young]
        stable, still_written = source.wait_until_stable(again, quiet_s=QUIET_S)
        for files in _parts(stable, whole=len(places) > 1):
            yield listing.look(files)
        if still_written:
            yield Look(opened=tuple(_still_written(file) for file in still_written))


def _listed(shop: Workshop, places: Sequence[Place]) -> Iterator[Found]:
    roots, access = shop.settings.allowed_roots, shop.s3
    found = chain.from_iterable(source.walk(one, allowed_roots=roots, access=access) for one in places)
    if len(places) == 1:
        return found
    return iter({file.uri: file for file in found}.values())


def _parts(files: Iterable[Found], *, whole: bool) -> Iterator[list[Found]]:
    """Files in order, some thousand at a time. A document and the e-invoice beside it stay together: where paths are in order,
    all those between them begin with what they share and a dot."""
    part: list[Found] = []
    stems: set[str] = set()
    for file in files:
        if len(part) >= TOGETHER and not whole:
            stems = stems or {one.stem for one in part}
            if not _continues(file.stem, stems):
                yield part
                part, stems = [], set()
        part.append(file)
        if stems:
            stems.add(file.stem)
    if part:
        yield part


def _continues(stem: str, stems: set[str]) -> bool:
    while stem not in stems:
        stem, dot, _ = stem.rpartition(".")
        if not dot:
            return False
    return True


def _by_age(files: Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """Files that are complete by their age, and those to be looked at again; files of one name go together."""
    now_s = time.time()
    young = {file.stem for file in files if source.is_young(file, QUIET_S, now_s)}
    if not young:
        return list(files), []
    return [file for file in files if file.stem not in young], [file for file in files if file.stem in young]


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the parts of one listing share."""

    shop: Workshop
    places: Sequence[Place]
    warehouse: Warehouse | None
    open_all: bool
    scratch: Scratch

    def look(self, files: Sequence[Found]) -> Look:
        """Look at the files of one part, which are complete."""
        stamps = {file.uri: stamp_of(file) for file in files}
        held = {}
        if self.warehouse and not self.open_all:
            held = self.warehouse.unchanged(list(stamps.values()))
        known = {uri: held[stamp.place] for uri, stamp in stamps.items() if stamp.place in held}
        to_open, closed = _parted(files, known)
        journeys, beside = _opened(self.shop, to_open)
        journeys = self._told_apart(journeys)
        belongs = {journey.uri: key_of(journey) for journey in journeys}
        owners = ((file.uri, beside.get(file.uri, file.uri)) for file in to_open)
        noted = tuple((stamps[uri], belongs[owner]) for uri, owner in owners if owner in belongs)
        return Look(tuple(journeys), noted, tuple(_left_alone(file, known[file.uri]) for file in closed))

    def _told_apart(self, journeys: Sequence[Journey]) -> list[Journey]:
        """Set aside all but one of the documents with the same bytes: the one that the warehouse holds, else the first."""
        lines = self._lines({journey.source.digest for journey in journeys if journey.source})
        here = {(one.source.digest, one.uri) for one in journeys if one.source}
        elsewhere = [line for key, line in lines.items() if (key, line.uri) not in here]
        staying = lines.keys() - {line.document_key for line in elsewhere} | self._staying(elsewhere)
        return [self._or_duplicate(journey, lines, staying) for journey in journeys]

    def _lines(self, digests: set[Digest]) -> dict[str, DocumentLine]:
        """What the warehouse knows of documents with these bytes."""
        if not self.warehouse or not digests:
            return {}
        known = self.warehouse.known(sorted(digests))
        return {line.document_key: line for line in self.warehouse.lines(list(known))} if known else {}

    def _staying(self, lines: Iterable[DocumentLine]) -> set[str]:
        """Which known documents are still in the places that are listed, as they were when they were opened: their keys."""
        if self.warehouse is None:
            return set()
        place_of: dict[str, str] = {}
        stamps = []
        for line in lines:
            if any(_is_within(line.uri, place) for place in self.places):
                file = source.found(line.uri, self.shop.s3)
                if not file.fault:
                    stamps.append(stamp_of(file))
                    place_of[line.document_key] = stamps[-1].place
        held = self.warehouse.unchanged(stamps) if stamps else {}
        return {key for key, place in place_of.items() if held.get(place) == key}

    def _or_duplicate(
        self, journey: Journey, lines: Mapping[str, DocumentLine], staying: set[str]
    ) -> Journey:
        if journey.source is None:
            return journey
        digest = journey.source.digest
        line = lines.get(digest)
        if line and line.uri == journey.uri:
            self.scratch.first_of(digest, journey.uri, journey.name)
            return journey
        if line and digest in staying:
            return _duplicate(journey, line.name)
        uri, name = self.scratch.first_of(digest, journey.uri, journey.name)
        return journey if uri == journey.uri else _duplicate(journey, name)


def _is_within(uri: str, place: Place) -> bool:
    root = str(place).rstrip("/") if is_bucket(place) else Path(place).resolve().as_uri()
    return uri == root or uri.startswith(f"{root}/")


def stamp_of(file: Found) -> Stamp:
    """How a file looks from outside."""
    return Stamp(uri_key(file.uri), file.size_bytes, file.modified_ns, file.changed_ns)


def _parted(files: Sequence[Found], known: Mapping[str, str]) -> tuple[list[Found], list[Found]]:
    """Files to open, and known ones to leave alone. Files of one name (a document and its e-invoice) go together."""
    moved = {file.stem for file in files if file.uri not in known}
    to_open = [file for file in files if file.stem in moved]
    closed = [file for file in files if file.stem not in moved]
    claims = {(known[file.uri], file.stem) for file in closed if file.suffix != _XML}
    # an e-invoice beside a document is that document, and counts once
    return to_open, [
        file for file in closed if not (file.suffix == _XML and (known[file.uri], file.stem) in claims)
    ]


def _left_alone(file: Found, key: str) -> SourceDocument:
    digest = Digest(key if key.startswith("sha256:") else "")
    return SourceDocument(file.uri, file.name, digest, "", file.size_bytes)


def _opened(shop: Workshop, files: Sequence[Found]) -> tuple[list[Journey], dict[str, str]]:
    """The documents of some files; and which document an e-invoice beside one belongs to."""
    xml = {file.stem: file for file in files if file.suffix == _XML}
    with_xml = {file.uri: beside for file in files if (beside := _beside(shop, file, xml)) is not None}
    claimed = {file.stem: file.uri for file in files if file.uri in with_xml}
    journeys, belongs = [], {}
    for file in files:
        if file.suffix == _XML and file.stem in claimed:
            belongs[file.uri] = claimed[file.stem]
            continue
        journey = _journey(shop, file)
        if journey.source and file.uri in with_xml:
            journey = replace(journey, source=replace(journey.source, beside=with_xml[file.uri]))
        journeys.append(journey)
    return journeys, belongs


def _still_written(file: Found) -> Journey:
    words = "the file is still being written; it is left for the next run"
    waiting = Problem(Stage.FIND, ProblemKind.STILL_WRITTEN, words)
    return Journey(file.uri, file.name, file.size_bytes).quarantined(waiting)


def _beside(shop: Workshop, file: Found, xml: Mapping[str, Found]) -> tuple[Attachment, ...] | None:
    """The e-invoice beside a document, kept; it belongs to that document and is none by itself."""
    found = source.einvoice_beside(file, shop.settings.limits, xml)
    if found is None:
        return None
    name, data = found
    return (Attachment(name, shop.store.put(data), len(data)),)


def unknown(warehouse: Warehouse, journeys: Sequence[Journey]) -> list[Journey]:
    """Those documents that the warehouse does not hold, found in one query."""
    known = warehouse.known([key_of(journey) for journey in journeys]) if journeys else {}
    return [journey for journey in journeys if key_of(journey) not in known]


def key_of(journey: Journey) -> str:
    """The warehouse's natural key of a document: its bytes, or its place where those are unknown or a repetition."""
    repeats = any(problem.kind is ProblemKind.DUPLICATE for problem in journey.problems)
    return uri_key(journey.uri) if journey.source is None or repeats else str(journey.source.digest)


def _journey(shop: Workshop, file: Found) -> Journey:
    journey = Journey(file.uri, file.name, file.size_bytes)
    try:
        document, data = source.load_source(file, shop.settings.limits)
    except UnreadableDocument as problem:
        reason = Problem(Stage.FIND, ProblemKind(problem.kind), problem.detail)
        return _with_bytes_kept(shop, file, journey).quarantined(reason)
    return replace(journey, source=document, pages_expected=expected_pages(document.media_type, data))


def _with_bytes_kept(shop: Workshop, file: Found, journey: Journey) -> Journey:
    """Keep what cannot be opened too, where it can be read at all: somebody will ask what it was."""
    most = shop.settings.max_bytes
    if file.fault or not 0 < file.size_bytes <= most:
        return journey
    try:
        data = file.read(most + 1)
    except UnreadableDocument:
        return journey
    if not 0 < len(data) <= most:
        return journey
    shop.store.put(data)
    document = SourceDocument(
        journey.uri, journey.name, digest_of(data), "application/octet-stream", len(data)
    )
    return replace(journey, source=document)


def _duplicate(journey: Journey, original: str) -> Journey:
    detail = f"has the same bytes as {original}, which is loaded once"
    return journey.quarantined(Problem(Stage.FIND, ProblemKind.DUPLICATE, detail))
