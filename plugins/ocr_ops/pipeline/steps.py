"""One document, one step further. Each step stores its result once under a key and notes its digest in the `Journey`.

A document that cannot be opened, or that breaks a step, comes back quarantined with the reason; only a broken
world (`TerminalError`, `TransientError`) raises.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from traceback import extract_tb

from ocr_ops import grounding, html_page, ocr
from ocr_ops.codec import from_json, step_key, to_json, to_plain
from ocr_ops.detectors import CURABLE
from ocr_ops.engines import Engine
from ocr_ops.errors import OcrOpsError, UnreadableDocument
from ocr_ops.judge import decide
from ocr_ops.model import (
    Candidate,
    Digest,
    Problem,
    ProblemKind,
    RawPage,
    ReadPage,
    Record,
    Schema,
    Stage,
    Status,
)
from ocr_ops.model_faults import RequestRefused
from ocr_ops.pipeline import einvoices
from ocr_ops.pipeline.export import picture_name
from ocr_ops.pipeline.journey import AUTO, Extracted, Journey, Opened, OpenedPage, Order, Rendered
from ocr_ops.pipeline.witness import looks_of, witness_fields, witnesses_of
from ocr_ops.pipeline.workshop import Event, Workshop
from ocr_ops.readers import doc_type as doc_types
from ocr_ops.readers import einvoice, layout, llm_pictures
from ocr_ops.readers.llm import LlmReader, LlmResult
from ocr_ops.schemas import doc_types as known_types
from ocr_ops.schemas import load_calibration, load_schema

log = logging.getLogger(__name__)

_NOTHING = frozenset({ProblemKind.NO_TEXT, ProblemKind.ENGINE_FAILED})
"""Problems of a page from which there is nothing for a person to read."""

_REFUSED_REQUEST = (400, 422)
"""Answers to what was sent (a filter for contents, say) rather than to who sent it: one document's misfortune."""

_PASSING = CURABLE | {ProblemKind.MARKUP_STRIPPED}

ReadPages = tuple[ReadPage, ...]
Step = Callable[[Journey], Awaitable[Journey]]


async def isolated(stage: Stage, journey: Journey, step: Step) -> Journey:
    """Run one step of one document; what breaks on the document quarantines it, what breaks the world is raised."""
    if journey.status is not None:
        return journey
    started = time.perf_counter()
    try:
        done = await step(journey)
    except UnreadableDocument as problem:
        done = journey.quarantined(Problem(stage, ProblemKind(problem.kind), problem.detail))
    except OcrOpsError:
        raise
    except Exception as problem:  # a decoder or a rule that breaks on one document must not stop the others
        done = broken(stage, journey, problem)
    return done.timed(stage, time.perf_counter() - started)


def broken(stage: Stage, journey: Journey, problem: Exception) -> Journey:
    """The document set aside because it broke a step of ours; says where, and nothing of what the document holds."""
    place = extract_tb(problem.__traceback__)[-1]
    log.warning("%s broke a step: %s at %s:%s", journey.uri, type(problem).__name__, place.name, place.lineno)
    detail = f"could not be processed: {type(problem).__name__} in {place.name}"
    return journey.quarantined(Problem(stage, ProblemKind.ENGINE_FAILED, detail))


async def read_pages(shop: Workshop, engine: Engine, room: ocr.Room, journey: Journey) -> Journey:
    """Pictures -> blocks. A page with a usable text layer needs no engine; a page read before is not read again.

    `room` is for the pages of all documents that are read at the same time.
    """
    opened_digest = journey.need("open")
    opened = from_json(Opened, shop.store.get(opened_digest))
    key = step_key("read", opened=opened_digest, engine=_identity(shop, engine), parser=grounding.VERSION)
    digest = shop.store.find(key)
    if digest is None:
        pages = await _read_all(shop, engine, room, journey.name, opened)
        result = to_json(tuple(pages))
        digest = shop.store.put(result) if _may_change(engine, pages) else shop.keep(key, result)
    found = replace(journey, problems=(*journey.problems, *opened.problems))
    return _with_text(shop, found.did("read", key, (opened_digest,), digest))


def _may_change(engine: Engine, pages: Sequence[ReadPage]) -> bool:
    """Whether another run may read better: a sampled reply went wrong, or a server is set up wrongly."""
    if not isinstance(engine, ocr.RetryingEngine):
        return False
    return any(problem.kind in _PASSING or not page.blocks for page in pages for problem in page.problems)


def _with_text(shop: Workshop, journey: Journey) -> Journey:
    """The document as it is, or set aside when nothing on it has a place; what was read stays as evidence."""
    pages = load_pages(shop, journey)
    if any(page.blocks for page in pages):
        return journey
    found = tuple(problem for page in pages for problem in page.problems if problem.kind not in _NOTHING)
    if found:
        return replace(journey, status=Status.NEEDS_REVIEW, problems=(*journey.problems, *found))
    return journey.quarantined(Problem(Stage.READ, ProblemKind.NO_TEXT, "no text could be read on any page"))


async def _read_all(
    shop: Workshop, engine: Engine, room: ocr.Room, name: str, opened: Opened
) -> list[ReadPage]:
    total, done = len(opened.pages), 0
    read: dict[int, ReadPage] = {}

    def note(page: ReadPage) -> None:
        nonlocal done
        done += 1
        read[page.image.number] = page
        shop.report(Event(Stage.READ, name, done, total))

    unread: list[OpenedPage] = []
    for page in opened.pages:
        known = _page_from_layer(shop, page) or _page_read_before(shop, engine, page)
        if known is None:
            unread.append(page)
        else:
            note(known)

    def keep_page(page: ReadPage, picture_sent: Digest) -> None:
        if not _may_change(engine, (page,)):
            shop.keep(_page_key(shop, engine, picture_sent), to_json(page))
        note(page)

    await ocr.read_pages(
        engine,
        ((page.image, shop.store.get(page.image.digest)) for page in unread),
        in_flight=len(unread),
        preparation=shop.preparation(engine),
        keep=lambda raw: shop.store.put(to_json(raw)),
        keep_picture=shop.store.put,
        on_page=keep_page,
        room=room,
    )
    return [read[number] for number in sorted(read)]


def _page_key(shop: Workshop, engine: Engine, picture: Digest) -> Digest:
    return step_key("read-page", picture=picture, engine=_identity(shop, engine), parser=grounding.VERSION)


def _identity(shop: Workshop, engine: Engine) -> dict[str, str]:
    """What decides how a picture is read: the engine, and what is done to the picture before."""
    prepared = shop.preparation(engine).identity
    return {**engine.identity, **{f"prepared_{name}": value for name, value in prepared.items()}}


def _page_read_before(shop: Workshop, engine: Engine, page: OpenedPage) -> ReadPage | None:
    known = shop.store.find(_page_key(shop, engine, page.image.digest))
    if known is None:
        return None
    stored = from_json(ReadPage, shop.store.get(known))
    # the same picture may be page 1 of one document and page 7 of another
    return stored if stored.image.number == page.image.number else None


def _page_from_layer(shop: Workshop, page: OpenedPage) -> ReadPage | None:
    if page.text_layer is None:
        return None
    parsed = grounding.parse_reply(from_json(RawPage, shop.store.get(page.text_layer)))
    return ReadPage(page.image, (page.text_layer,), parsed.blocks)


async def render_document(shop: Workshop, journey: Journey) -> Journey:
    """Blocks -> HTML with every block at its place, and Markdown."""
    read = journey.need("read")
    pages = load_pages(shop, journey)

    def make() -> bytes:
        html = html_page.document_html(journey.name, pages, picture_src=_picture_src)
        markdown = html_page.document_markdown(pages)
        return to_json(Rendered(shop.store.put(html.encode()), shop.store.put(markdown.encode())))

    key = step_key("render", read=read, name=journey.name, version=html_page.VERSION)
    return journey.did("render", key, (read,), shop.once(key, make))


def _picture_src(page: ReadPage) -> str:
    return picture_name(page.image.number, page.image.media_type)


async def extract_fields(shop: Workshop, llm: LlmReader | None, order: Order, journey: Journey) -> Journey:
    """Blocks and a schema -> one candidate a reader."""
    pages = load_pages(shop, journey)
    schema = _schema_for(shop, order, pages, journey)
    key = step_key(
        "extract",
        read=journey.need("read"),
        opened=journey.need("open"),  # two documents may look alike and bring different e-invoices
        einvoice=einvoice.VERSION,
        schema=schema.fingerprint,
        layout=layout.VERSION,
        llm=dict(llm.identity) if llm else {},
    )
    digest = shop.store.find(key)
    if digest is None:
        proposed = layout.read_layout(pages, schema)
        corrected, refused = await _corrected(shop, llm, pages, schema, proposed) if llm else (None, False)
        found = [proposed, *([corrected.candidate] if corrected else [])]
        found = einvoices.in_order_of_trust(journey, found, einvoices.read_stated(shop, journey, schema))
        candidates = tuple(shop.store.put(to_json(candidate)) for candidate in found)
        attempts = tuple(
            shop.store.put(to_json(attempt)) for attempt in (corrected.attempts if corrected else ())
        )
        result = to_json(Extracted(schema.doc_type, schema.version, candidates, attempts))
        digest = shop.store.put(result) if refused else shop.keep(key, result)
    return journey.did("extract", key, (journey.need("read"), schema.fingerprint), digest)


async def _corrected(
    shop: Workshop, llm: LlmReader, pages: ReadPages, schema: Schema, proposed: Candidate
) -> tuple[LlmResult, bool]:
    """What the LLM makes of a candidate, and whether its server refused this very request, which another run may send."""
    seen = pages[: llm_pictures.MOST_PAGES] if llm.sees_pictures else ()
    pictures = [llm_pictures.shown(shop.store.get(page.image.digest)) for page in seen]
    try:
        return await llm.read(pages, schema, proposed, pictures), False
    except RequestRefused as refusal:
        if refusal.status not in _REFUSED_REQUEST:
            raise
        words = f"the language model's server refused this document (HTTP {refusal.status})"
        problem = Problem(Stage.EXTRACT, ProblemKind.MODEL_REPLY, words)
        return LlmResult(Candidate("llm", "refused", (), (problem,)), ()), True


def _schema_for(shop: Workshop, order: Order, pages: ReadPages, journey: Journey) -> Schema:
    if order.doc_type != AUTO:
        return load_schema(order.doc_type, folder=shop.schema_folder)
    names = known_types(shop.schema_folder)
    if einvoice.DOC_TYPE in names and einvoices.einvoice_files(shop, journey):
        return load_schema(einvoice.DOC_TYPE, folder=shop.schema_folder)
    schemas = tuple(load_schema(name, folder=shop.schema_folder) for name in names)
    return doc_types.choose(pages, schemas)


async def judge_fields(shop: Workshop, journey: Journey) -> Journey:
    """Candidates, and what the picture says of them -> the record: values with evidence, rules, problems and a status."""
    journey = await witness_fields(shop, journey)
    read, extracted_digest = journey.need("read"), journey.need("extract")
    extracted = from_json(Extracted, shop.store.get(extracted_digest))
    schema = load_schema(extracted.doc_type, extracted.schema_version, shop.schema_folder)

    def make() -> bytes:
        candidates = tuple(from_json(Candidate, shop.store.get(digest)) for digest in extracted.candidates)
        candidates = (*candidates, *witnesses_of(shop, journey))
        return to_json(
            decide.judge(schema, candidates, load_pages(shop, journey), calibration, looks_of(shop, journey))
        )

    calibration = load_calibration(shop.schema_folder)
    key = step_key(
        "judge",
        read=read,
        extracted=extracted_digest,
        witnessed=journey.need("witness"),
        schema=schema.fingerprint,
        judge=decide.VERSION,
        calibration=to_plain(calibration),
    )
    return journey.did("judge", key, (read, extracted_digest, schema.fingerprint), shop.once(key, make))


def load_pages(shop: Workshop, journey: Journey) -> ReadPages:
    """The pages of a document that was read."""
    read = journey.result("read")
    return shop.pages(read) if read else ()


def load_record(shop: Workshop, journey: Journey) -> Record | None:
    """The record of a document that was judged."""
    record = journey.result("judge")
    return from_json(Record, shop.store.get(record)) if record else None
