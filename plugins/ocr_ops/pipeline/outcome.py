"""A document at the end of its way -> `Outcome`: status, record, every artefact by role, and the manifest."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, lru_cache

from ocr_ops import grounding, html_page, overlay, picture_hash, raster
from ocr_ops.audit import Manifest
from ocr_ops.codec import from_json, step_key, to_json
from ocr_ops.errors import OcrOpsError
from ocr_ops.judge import decide
from ocr_ops.model import Digest, Outcome, Problem, RawPage, ReadPage, Record, Stage, Status
from ocr_ops.page_pixels import PagePixels, page_pixels
from ocr_ops.pipeline.journey import Extracted, Journey, Opened, Rendered
from ocr_ops.pipeline.steps import broken, load_pages, load_record
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.readers.llm import LlmAttempt
from ocr_ops.rows import Extras, ModelCall

Look = Callable[[Digest], PagePixels]


def outcome_of(shop: Workshop, journey: Journey) -> tuple[Outcome, Extras]:
    """Gather what became of a document; stores its manifest and the pictures with evidence drawn in.

    A document on which that breaks is set aside with nothing but its source.
    """
    look = _looker(shop)
    try:
        outcome = _outcome(shop, journey, look)
        return outcome, _extras(shop, outcome, look)
    except OcrOpsError:
        raise
    except Exception as problem:  # one document that cannot be laid out must not stop the others
        outcome = _outcome(shop, broken(Stage.AUDIT, replace(journey, steps=()), problem), look)
        return outcome, _extras(shop, outcome, look)


def _looker(shop: Workshop) -> Look:
    """Decodes the picture of that name; the last one is at hand, since two things are made of a page."""
    return lru_cache(maxsize=1)(lambda digest: page_pixels(shop.store.get(digest)))


def _outcome(shop: Workshop, journey: Journey, look: Look) -> Outcome:
    pages, record = load_pages(shop, journey), load_record(shop, journey)
    artifacts = _artifacts(shop, journey, pages, record, look)
    manifest = Manifest(journey.uri, journey.steps, _versions(record))
    artifacts["manifest"] = shop.store.put(to_json(manifest))
    return Outcome(
        uri=journey.uri,
        name=journey.name,
        digest=journey.source.digest if journey.source else None,
        status=status_of(journey, record),
        doc_type=record.doc_type if record else None,
        media_type=journey.source.media_type if journey.source else None,
        size_bytes=journey.size_bytes,
        pages=pages,
        record=record,
        problems=problems_of(journey, record),
        artifacts=artifacts,
        timings=journey.timings,
    )


def _versions(record: Record | None) -> dict[str, str]:
    """Which version of what made the outcome; engines and models are named in each raw reply."""
    ours = {
        "ocr-ops": _our_version(),
        "raster": raster.VERSION,
        "grounding": grounding.VERSION,
        "html": html_page.VERSION,
        "overlay": overlay.VERSION,
        "judge": decide.VERSION,
    }
    if record is None:
        return ours
    readers = {name: version for name, _, version in (one.partition("/") for one in record.readers)}
    return ours | readers | {"schema": f"{record.doc_type}/{record.schema_version}"}


@cache
def _our_version() -> str:
    return importlib.metadata.version("ocr-ops")


def status_of(journey: Journey, record: Record | None) -> Status:
    """What became of a document at the end of its way."""
    if journey.status is not None or record is None:
        return journey.status or Status.QUARANTINED
    return Status.NEEDS_REVIEW if journey.problems else record.status


def problems_of(journey: Journey, record: Record | None) -> tuple[Problem, ...]:
    """Everything found on its way, then what the judge found."""
    return (*journey.problems, *(record.problems if record else ()))


def _artifacts(
    shop: Workshop, journey: Journey, pages: tuple[ReadPage, ...], record: Record | None, look: Look
) -> dict[str, Digest]:
    roles: dict[str, Digest] = {}
    if journey.source is not None and shop.store.has(journey.source.digest):
        roles["source"] = journey.source.digest
    if opened_digest := journey.result("open"):
        opened = from_json(Opened, shop.store.get(opened_digest))
        roles |= {f"page/{page.image.number}/picture": page.image.digest for page in opened.pages}
        roles |= {
            f"attachment/{number}": one.digest for number, one in enumerate(opened.attachments, start=1)
        }
    for page in pages:
        number = page.image.number
        roles |= {f"page/{number}/raw/{attempt}": raw for attempt, raw in enumerate(page.attempts, start=1)}
        roles[f"page/{number}/upright"] = page.image.digest
        roles[f"page/{number}/blocks"] = shop.store.put(to_json(page))
        roles[f"page/{number}/overlay"] = _overlay(shop, page, record, look)
    if rendered_digest := journey.result("render"):
        rendered = from_json(Rendered, shop.store.get(rendered_digest))
        roles |= {"html": rendered.html, "markdown": rendered.markdown}
    if extracted_digest := journey.result("extract"):
        extracted = from_json(Extracted, shop.store.get(extracted_digest))
        roles |= {f"candidate/{number}": one for number, one in enumerate(extracted.candidates, start=1)}
        roles |= {f"llm/attempt/{number}": one for number, one in enumerate(extracted.llm_attempts, start=1)}
    if record_digest := journey.result("judge"):
        roles["record"] = record_digest
    return roles | {f"step/{done.step}": done.output for done in journey.steps}


def _overlay(shop: Workshop, page: ReadPage, record: Record | None, look: Look) -> Digest:
    highlights = _fields_by_block(page, record)
    blocks = [[block.id, [(box.x1, box.y1, box.x2, box.y2) for box in block.boxes]] for block in page.blocks]
    key = step_key(
        "overlay", page=page.image.digest, blocks=blocks, marks=highlights, version=overlay.VERSION
    )
    return shop.once(key, lambda: overlay.draw_overlay(look(page.image.digest), page.blocks, highlights))


def _fields_by_block(page: ReadPage, record: Record | None) -> dict[str, str]:
    """Which fields each block of a page is evidence for, as words for its tag."""
    fields: dict[str, list[str]] = {}
    for evidence in record.evidence if record else ():
        for block in evidence.blocks if evidence.page == page.image.number else ():
            fields.setdefault(block, []).append(evidence.field.rsplit("/", 1)[-1])
    return {block: ", ".join(dict.fromkeys(names)) for block, names in fields.items()}


def _extras(shop: Workshop, outcome: Outcome, look: Look) -> Extras:
    """What the warehouse wants to know of the stored artefacts: readings, sizes, looks, and what models were asked."""
    attempts = [(page.image.number, digest) for page in outcome.pages for digest in page.attempts]
    raws = {digest: from_json(RawPage, shop.store.get(digest)) for _, digest in attempts}
    read = tuple(_reading(digest, raws[digest], page) for page, digest in attempts if raws[digest].seconds)
    first = next((page.image for page in outcome.pages if page.image.number == 1), None)
    looks = picture_hash.difference_hash(look(first.digest)) if first else None
    return Extras(
        raw_pages={page.attempts[-1]: raws[page.attempts[-1]] for page in outcome.pages if page.attempts},
        sizes={digest: shop.store.size_of(digest) for digest in set(outcome.artifacts.values())},
        picture_hashes={} if looks is None else {1: looks},
        calls=(*read, *_corrections(shop, outcome)),
    )


def _reading(digest: Digest, raw: RawPage, page: int) -> ModelCall:
    return ModelCall(
        digest,
        Stage.READ,
        raw.engine,
        raw.model,
        prompt_tokens=raw.prompt_tokens,
        completion_tokens=raw.completion_tokens,
        seconds=raw.seconds,
        page=page,
    )


def _corrections(shop: Workshop, outcome: Outcome) -> Iterator[ModelCall]:
    """What the language model was asked; the reader's name says with which prompt."""
    readers = outcome.record.readers if outcome.record else ()
    version = next((reader.rpartition("/prompt-")[2] for reader in readers if "/prompt-" in reader), None)
    for role, digest in outcome.artifacts.items():
        if role.startswith("llm/attempt/"):
            asked = from_json(LlmAttempt, shop.store.get(digest))
            yield ModelCall(
                digest,
                Stage.EXTRACT,
                "llm",
                asked.model,
                version,
                asked.prompt_tokens,
                asked.completion_tokens,
                asked.seconds,
            )
