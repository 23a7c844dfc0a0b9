"""One document between reading and judging: critical values that rest on a PDF's own text are read again in its picture.

Only the places of those values are read, by the embedded recogniser whatever engine is configured: small crops, all of a
page in one go, quickly first and with the whole recogniser where that does not show the value. One drawn from an e-invoice can be no witness. On a page that an engine read, critical values that are printed once and were
read without confidence get a second look, as they are and at twice their size: both must show the value. So get the numbers of a rule
that fails, whatever engine read them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from ocr_ops.codec import from_json, step_key, to_json
from ocr_ops.engines import lines
from ocr_ops.engines.rapid import Picture
from ocr_ops.geometry import to_pixels
from ocr_ops.judge import second_look, witness
from ocr_ops.judge.evidence import Paper, paper_of
from ocr_ops.judge.witness import Claim, Testimony, Witnessed
from ocr_ops.model import Candidate, Digest, GridBox, PixelBox, RawPage, ReadPage
from ocr_ops.pipeline.einvoices import is_bare_xml
from ocr_ops.pipeline.journey import Extracted, Journey
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.schemas import load_schema
from ocr_ops.text_layer import ENGINE as TEXT_LAYER

Look = Callable[[Picture, Sequence[PixelBox]], list[str]]

_LOOKS: tuple[tuple[Look, Callable[[Claim], bool], Callable[[Claim], GridBox]], ...] = (
    (lines.glance, witness.suits_a_glance, attrgetter("near")),
    (lines.read_lines, lambda claim: True, attrgetter("near")),
    (lines.read_lines, lambda claim: True, attrgetter("box")),
)
"""Ways to read places of values, the cheapest first; which claims each is for; where it looks."""


async def witness_fields(shop: Workshop, journey: Journey) -> Journey:
    """Ask the picture about every critical value that a text layer shows."""
    read, extracted = journey.need("read"), journey.need("extract")
    key = step_key(
        "witness", read=read, extracted=extracted, version=witness.VERSION, reader=lines.identity()
    )
    digest = shop.store.find(key)
    if digest is None:
        found = Witnessed() if is_bare_xml(journey) else await asyncio.to_thread(_ask, shop, read, extracted)
        digest = shop.keep(key, to_json(found))
    return journey.did("witness", key, (read, extracted), digest)


def witnesses_of(shop: Workshop, journey: Journey) -> tuple[Candidate, ...]:
    """The witness as the judge hears it: no readings, a problem for each value of the file's text that the picture does not show."""
    found = from_json(Witnessed, shop.store.get(journey.need("witness"))).of_text
    return (Candidate("witness", witness.VERSION, (), found.doubts),) if found.testimonies else ()


def looks_of(shop: Workshop, journey: Journey) -> tuple[Testimony, ...]:
    """What second looks at places that an engine had read gave."""
    return from_json(Witnessed, shop.store.get(journey.need("witness"))).looks


def _ask(shop: Workshop, read: Digest, extracted_digest: Digest) -> Witnessed:
    pages = shop.pages(read)
    text_pages = {page.image.number for page in pages if _is_from_text(shop, page)}
    extracted = from_json(Extracted, shop.store.get(extracted_digest))
    schema = load_schema(extracted.doc_type, extracted.schema_version, shop.schema_folder)
    candidates = tuple(from_json(Candidate, shop.store.get(digest)) for digest in extracted.candidates)
    paper = paper_of(pages)
    claims = witness.claims_of(schema, candidates, pages, paper, text_pages)
    again = witness.doubtful_claims(schema, candidates, pages, paper)
    known = {(claim.field, claim.value) for claim in again}
    failing = second_look.failing_claims(schema, candidates, pages, paper, text_pages)
    again += tuple(claim for claim in failing if (claim.field, claim.value) not in known)
    told = (*_testimonies(shop, pages, claims, paper), *_second_looks(shop, pages, again, paper))
    return Witnessed(told)


def _is_from_text(shop: Workshop, page: ReadPage) -> bool:
    return bool(page.attempts) and from_json(RawPage, shop.store.get(page.attempts[-1])).engine == TEXT_LAYER


def _testimonies(
    shop: Workshop, pages: Sequence[ReadPage], claims: Sequence[Claim], paper: Paper
) -> Iterator[Testimony]:
    """Glance at the value's own place, then read it, then the whole line: each only for what no look before it showed."""
    for number, of_page in groupby(sorted(claims, key=attrgetter("page")), key=attrgetter("page")):
        image = next(page.image for page in pages if page.image.number == number)
        picture = lines.decoded(shop.store.get(image.digest))
        left, told = list(of_page), dict[Claim, Testimony]()
        for look, suits, place in _LOOKS:
            asked = [claim for claim in left if suits(claim)]
            read = look(picture, [to_pixels(place(claim), image.size) for claim in asked])
            told |= {
                claim: witness.attest(claim, text, paper) for claim, text in zip(asked, read, strict=True)
            }
            left = [claim for claim in left if claim not in told or not told[claim].agrees]
        yield from told.values()


def _second_looks(
    shop: Workshop, pages: Sequence[ReadPage], claims: Sequence[Claim], paper: Paper
) -> Iterator[Testimony]:
    """Read each claim's line as it is and enlarged; what does not show the value is what counts."""
    for number, of_page in groupby(sorted(claims, key=attrgetter("page")), key=attrgetter("page")):
        image = next(page.image for page in pages if page.image.number == number)
        picture = lines.decoded(shop.store.get(image.digest))
        for claim in of_page:
            reads = lines.read_sizes(picture, to_pixels(claim.box, image.size))
            yield second_look.looked_again(claim, reads, paper)
