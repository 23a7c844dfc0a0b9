"""The open step: a document's bytes -> pictures of pages and what the file itself says, all kept in the audit store.

Decoders are large programs in C, and a hostile file can kill the process that runs one. Every opening therefore leaves a
mark before it starts; a document whose mark is there without a result is opened in a process of its own, so that it
costs its batch one try and never a second one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, replace

from ocr_ops import raster, source
from ocr_ops.audit import AuditStore, open_store
from ocr_ops.codec import from_json, step_key, to_json, to_plain
from ocr_ops.engines.tiles import Tiling
from ocr_ops.errors import TransientError, UnreadableDocument
from ocr_ops.model import Digest, Problem, ProblemKind, SourceDocument, Stage
from ocr_ops.pipeline.journey import Journey, Opened, OpenedPage
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.settings import Limits

LONGEST_ALONE_S = 600
"""Seconds after which a document that is opened by itself is given up."""


async def open_document(shop: Workshop, tiling: Tiling | None, journey: Journey) -> Journey:
    """Bytes -> pictures of pages and what the file itself says. Keeps the source, pictures and attachments.

    With a `tiling` PDF pages are drawn at the size that fills a model's tiles: a store that serves engines with and
    without one holds both results, and documents read by one engine are not opened again for the other's sake.
    """
    found = _source(journey)
    key = open_key(shop.settings.limits, tiling, found)
    digest = shop.store.find(key)
    if digest is None:
        # decoding keeps a core busy: in a thread, so that pages of other documents are read meanwhile
        try:
            digest = shop.keep(key, to_json(await asyncio.to_thread(_open, shop, tiling, found, key)))
        except OtherBytes as problem:
            # what was found is gone: the document is known by its place until a later run finds it whole
            reason = Problem(Stage.OPEN, ProblemKind(problem.kind), problem.detail)
            return replace(journey, source=None).quarantined(reason)
    return journey.did("open", key, (found.digest,), digest)


def open_key(limits: Limits, tiling: Tiling | None, found: SourceDocument) -> Digest:
    """What decides how a document is opened."""
    beside = [one.digest for one in found.beside]
    tiles = {"tiling": to_plain(tiling)} if tiling else {}
    plain = to_plain(limits)
    return step_key("open", source=found.digest, beside=beside, version=raster.VERSION, limits=plain, **tiles)


class OtherBytes(UnreadableDocument):
    """The file is no longer what was found."""


def _source(journey: Journey) -> SourceDocument:
    if journey.source is None:
        raise UnreadableDocument(ProblemKind.UNREADABLE_FILE, "the file could not be read")
    return journey.source


def _open(shop: Workshop, tiling: Tiling | None, found: SourceDocument, key: Digest) -> Opened:
    _keep_source(shop, found)
    begun = step_key("open begun", of=key)
    if shop.store.find(begun) is not None:
        return _opened_alone(shop, tiling, found)
    shop.store.remember(begun, found.digest)
    return opened(shop.store, shop.settings.limits, tiling, found)


def opened(store: AuditStore, limits: Limits, tiling: Tiling | None, found: SourceDocument) -> Opened:
    """Decode a document whose bytes are in the store; UnreadableDocument when no page of it can be drawn."""
    pages: list[OpenedPage] = []
    problems: list[Problem] = []
    scale = tiling.scale if tiling else None
    with raster.open_document(found, store.get(found.digest), limits, scale) as document:
        for sheet in document.pages:
            problems += sheet.problems
            if sheet.image is not None:
                store.put(sheet.picture)
                layer = store.put(to_json(sheet.text_layer)) if sheet.text_layer else None
                pages.append(OpenedPage(sheet.image, layer))
        for _, content in document.attachments:
            store.put(content)
        attachments = (*(attached for attached, _ in document.attachments), *found.beside)
    if not pages:
        raise UnreadableDocument(ProblemKind.DAMAGED, "no page of the document can be drawn")
    return Opened(tuple(pages), attachments, tuple(problems))


def _keep_source(shop: Workshop, found: SourceDocument) -> None:
    """Put the document's bytes into the store the first time it is opened."""
    if shop.store.has_own(found.digest):
        return
    try:
        read, data = source.load_source(source.found(found.uri, shop.s3), shop.settings.limits)
    except UnreadableDocument as problem:
        raise OtherBytes(problem.kind, f"after it was found: {problem.detail}") from problem
    if read.digest != found.digest:
        raise OtherBytes(ProblemKind.STILL_WRITTEN, "the file changed after it was found")
    shop.store.put(data)


# --- in a process of its own ---


@dataclass(frozen=True, slots=True)
class _Errand:
    """What the process needs to know."""

    audit_uri: str
    limits: Limits
    tiling: Tiling | None
    found: SourceDocument
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What it says: what was opened, or why not."""

    opened: Opened | None = None
    kind: str = ""
    detail: str = ""


def _opened_alone(shop: Workshop, tiling: Tiling | None, found: SourceDocument) -> Opened:
    errand = _Errand(shop.settings.audit_uri, shop.settings.limits, tiling, found, shop.store.tenant)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ocr_ops.pipeline.opening"],
            input=to_json(errand),
            capture_output=True,
            timeout=LONGEST_ALONE_S,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    except subprocess.TimeoutExpired:
        raise UnreadableDocument(ProblemKind.DAMAGED, "opening the document took too long") from None
    if done.returncode < 0:
        raise UnreadableDocument(
            ProblemKind.DAMAGED, f"the document kills the program that opens it (signal {-done.returncode})"
        )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise TransientError(f"a document could not be opened by itself: {' '.join(last)[:200]}")
    answer = from_json(_Answer, done.stdout)
    if answer.opened is None:
        raise UnreadableDocument(answer.kind, answer.detail)
    return answer.opened


def main() -> None:
    """Open the one document named on standard input."""
    errand = from_json(_Errand, sys.stdin.buffer.read())
    try:
        store = open_store(errand.audit_uri)
        store = store.for_tenant(errand.tenant) if errand.tenant else store
        answer = _Answer(opened(store, errand.limits, errand.tiling, errand.found))
    except UnreadableDocument as problem:
        answer = _Answer(None, problem.kind, problem.detail)
    sys.stdout.buffer.write(to_json(answer))


if __name__ == "__main__":
    main()
