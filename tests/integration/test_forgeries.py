"""Invoices that say one thing to a program and another to a person: none is accepted, and each says why.

Every forgery starts from an honest invoice over 119.00 that is accepted as it is, with and without its XML.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from bench import aged, bench
from einvoice_builder import ATTACH, TOTAL_AT, Invoice, cii, in_name_tree, in_note, page_of, ubl
from ocr_ops.model import Outcome, ProblemKind, Status
from ocr_ops.pipeline import batches
from ocr_ops.pipeline.journey import Order
from ocr_ops.pipeline.listing import list_documents
from ocr_ops.pipeline.outcome import outcome_of

pytestmark = pytest.mark.ocr

HONEST = Invoice()
FORGED = replace(HONEST, net="772.27", tax="146.73", total="919.00")
OTHER = Invoice("RE-2024-0007", "2024-11-02", net="400.00", tax="76.00", total="476.00")

WHITE = (1.0, 1.0, 1.0)
Forgery = Callable[[], pymupdf.Document]


# --- text that nobody sees ---


def hidden(**how: object) -> Forgery:
    """Another invoice's sums, beside the honest ones and out of sight."""

    def draw() -> pymupdf.Document:
        document = page_of(HONEST)
        for row, words in enumerate(("Nettobetrag 772.27", "19% MwSt 146.73", "Gesamtbetrag 919.00 EUR")):
            document[0].insert_text((60, 600 + 20 * row), words, **how)
        return document

    return draw


def under(cover: Callable[[pymupdf.Page, pymupdf.Rect], object]) -> Forgery:
    def draw() -> pymupdf.Document:
        document = hidden()()
        cover(document[0], pymupdf.Rect(50, 580, 400, 660))
        return document

    return draw


def rectangle(colour: tuple[float, float, float]) -> Callable[[pymupdf.Page, pymupdf.Rect], object]:
    return lambda page, place: page.draw_rect(place, color=colour, fill=colour)


def picture_of(text: str, size: tuple[int, int] = (350, 80)) -> bytes:
    """Words as pixels, black on white."""
    document = pymupdf.open()
    document.new_page(width=size[0], height=size[1]).insert_text((2, 14), text)
    out = io.BytesIO()
    pixmap = document[0].get_pixmap(dpi=200)
    Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples).save(out, "PNG")
    return out.getvalue()


def logo(page: pymupdf.Page, place: pymupdf.Rect) -> None:
    page.insert_image(place, stream=picture_of("Ihr Partner fuer Werkzeuge"), keep_proportion=False)


def off_the_page() -> pymupdf.Document:
    document = page_of(HONEST)
    document[0].insert_text((60, 2000), "Gesamtbetrag 919.00 EUR")
    return document


def with_content(document: pymupdf.Document, before: bytes, after: bytes) -> pymupdf.Document:
    """Wrap the last content stream of the first page."""
    xref = document[0].get_contents()[-1]
    document.update_stream(xref, before + document.xref_stream(xref) + after)
    return document


def clipped_away() -> pymupdf.Document:
    return with_content(hidden()(), b"q 0 0 1 1 re W n\n", b"\nQ")


def on_a_layer_that_is_off() -> pymupdf.Document:
    document = page_of(HONEST)
    layer = document.add_ocg("second price", on=False)
    document[0].insert_text((60, 600), "Gesamtbetrag 919.00 EUR", oc=layer)
    return document


# --- text that is not what the page shows ---


def overprinted() -> pymupdf.Document:
    document = page_of(HONEST)
    place = pymupdf.Rect(TOTAL_AT.x - 2, TOTAL_AT.y - 12, TOTAL_AT.x + 120, TOTAL_AT.y + 4)
    document[0].draw_rect(place, color=WHITE, fill=WHITE)
    document[0].insert_text(TOTAL_AT, "919.00 EUR")
    return document


def under_a_picture_of_another_total() -> pymupdf.Document:
    document = page_of(HONEST)
    place = pymupdf.Rect(TOTAL_AT.x - 2, TOTAL_AT.y - 14, TOTAL_AT.x + 98, TOTAL_AT.y + 6)
    document[0].insert_image(place, stream=picture_of("919.00 EUR", (100, 20)))
    return document


def drawn_over_with_lines() -> pymupdf.Document:
    """The first digit of the total gone under white and a 9 drawn in its place."""
    document = page_of(HONEST)
    page, x, y = document[0], TOTAL_AT.x, TOTAL_AT.y
    page.draw_rect(pymupdf.Rect(x - 1, y - 10, x + 6, y + 1), color=WHITE, fill=WHITE)
    page.draw_circle((x + 2.8, y - 5.6), 2, width=0.9)
    page.draw_line((x + 4.8, y - 5.6), (x + 4.2, y - 1), width=0.9)
    page.draw_line((x + 4.2, y - 1), (x + 1.4, y - 0.4), width=0.9)
    return document


def a_digit_drawn_before() -> pymupdf.Document:
    """The text says 119.00, and a person sees 1119.00."""
    document = page_of(HONEST)
    x, y = TOTAL_AT.x - 3.2, TOTAL_AT.y
    document[0].draw_line((x, y), (x, y - 8), width=1)
    document[0].draw_line((x, y - 8), (x - 2, y - 6.2), width=1)
    return document


def first_digit_clipped() -> pymupdf.Document:
    """The text says 119.00, and a person sees 19.00."""
    document = page_of(HONEST, without_total=True)
    document[0].insert_text(TOTAL_AT, "119.00 EUR")
    top = document[0].rect.height - TOTAL_AT.y
    return with_content(document, b"q %f %f 300 40 re W n\n" % (TOTAL_AT.x + 6, top - 20), b"\nQ")


def under_a_note() -> pymupdf.Document:
    document = page_of(HONEST)
    place = pymupdf.Rect(TOTAL_AT.x - 2, TOTAL_AT.y - 14, TOTAL_AT.x + 120, TOTAL_AT.y + 6)
    document[0].add_freetext_annot(place, "919.00 EUR", fontsize=11, fill_color=WHITE)
    return document


TO_UNICODE = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Lie def /CMapType 2 def
1 begincodespacerange <00> <ff> endcodespacerange
1 beginbfrange <20> <7e> <0020> endbfrange
%d beginbfchar %s endbfchar endcmap CMapName currentdict /CMap defineresource pop end end"""


def lying_font(shown: str, said: str) -> Forgery:
    """Glyphs of one number, mapped to the characters of another."""

    def draw() -> pymupdf.Document:
        document = page_of(HONEST, without_total=True)
        document[0].insert_text(TOTAL_AT, f"{shown} EUR", fontname="cour")
        (font,) = (one[0] for one in document[0].get_fonts() if one[4] == "cour")
        pairs = [b"<%02x> <%04x>" % (ord(a), ord(b)) for a, b in zip(shown, said, strict=True) if a != b]
        cmap = document.get_new_xref()
        document.update_object(cmap, "<< >>")
        document.update_stream(cmap, TO_UNICODE % (len(pairs), b" ".join(pairs)), new=True)
        document.xref_set_key(font, "ToUnicode", f"{cmap} 0 R")
        return document

    return draw


# --- XML that is not what the page shows ---


def with_xml(*xml: bytes) -> Forgery:
    def draw() -> pymupdf.Document:
        document = page_of(HONEST)
        for one in xml:
            in_name_tree(document, one)
        return document

    return draw


def a_second_xml_in_a_note() -> pymupdf.Document:
    document = with_xml(cii(HONEST))()
    in_note(document, ubl(FORGED))
    return document


ENTITY = b'<!DOCTYPE x [<!ENTITY total "919.00">]>'

HIDDEN = {ProblemKind.HIDDEN_TEXT}
PICTURE = {ProblemKind.NOT_IN_PICTURE}
XML = {ProblemKind.XML_DISAGREES}

FORGERIES: dict[str, tuple[Forgery, set[ProblemKind]]] = {
    "invisible text": (hidden(render_mode=3), HIDDEN),
    "white on white": (hidden(color=WHITE), HIDDEN),
    "nearly white on white": (hidden(color=(0.97, 0.98, 0.97)), HIDDEN),
    "no opacity": (hidden(fill_opacity=0), HIDDEN),
    "tiny text": (hidden(fontsize=0.5), HIDDEN),
    "under a white rectangle": (under(rectangle(WHITE)), HIDDEN),
    "under a black rectangle": (under(rectangle((0, 0, 0))), HIDDEN),
    "under a logo": (under(logo), HIDDEN),
    "clipped away": (clipped_away, HIDDEN),
    "off the page": (off_the_page, HIDDEN),
    "layer switched off": (on_a_layer_that_is_off, HIDDEN),
    "total overprinted": (overprinted, HIDDEN),
    "total under a picture": (under_a_picture_of_another_total, HIDDEN),
    "first digit clipped away": (first_digit_clipped, HIDDEN),
    "digit drawn with lines": (drawn_over_with_lines, PICTURE),
    "digit drawn before the total": (a_digit_drawn_before, PICTURE),
    "total under a note": (under_a_note, HIDDEN),
    "font that shows 7 for 1": (lying_font("779.00", "119.00"), PICTURE),
    "font that shows letters of another sum": (lying_font("ABC.DE", "119.00"), PICTURE),
    "XML with another total": (with_xml(cii(replace(HONEST, total="919.00"))), XML),
    "XML with other sums that add up": (with_xml(cii(FORGED)), XML),
    "XML with two numbers swapped": (with_xml(cii(replace(HONEST, net="119.00", total="100.00"))), XML),
    "XML of another invoice": (with_xml(cii(OTHER)), XML),
    "XML with another date": (with_xml(ubl(replace(HONEST, day="2025-04-13"))), XML),
    "XML with another account": (with_xml(cii(replace(HONEST, iban="GB29NWBK60161331926819"))), XML),
    "XML in another currency": (with_xml(cii(replace(HONEST, currency="USD"))), XML),
    "two XMLs that differ": (with_xml(cii(HONEST), cii(FORGED)), XML),
    "a second XML in a note": (a_second_xml_in_a_note, XML),
    "XML with an entity": (
        with_xml(ENTITY + cii(HONEST).partition(b"?>")[2].replace(b"119.00", b"&total;")),
        {ProblemKind.BAD_XML},
    ),
}


def through(folder: Path, *paths: Path) -> dict[str, Outcome]:
    """Documents through the pipeline, by name."""
    aged(*folder.iterdir())
    shop = bench(folder.parent)
    order = Order()
    listed = list_documents(shop, *(paths or (folder,)))
    read = asyncio.run(batches.read_documents(shop, order, listed))
    done = asyncio.run(batches.extract_documents(shop, order, read))
    return {journey.name: outcome_of(shop, journey)[0] for journey in done}


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("forged") / "inbox"
    folder.mkdir()
    for name, (draw, _) in FORGERIES.items():
        (folder / f"{name}.pdf").write_bytes(draw().tobytes())
    (folder / "another XML beside it.pdf").write_bytes(page_of(HONEST).tobytes())
    (folder / "another XML beside it.xml").write_bytes(cii(FORGED))
    return through(folder)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_invoice_is_held_with_the_reason(name: str, forged: dict[str, Outcome]):
    outcome = forged[f"{name}.pdf"]

    assert outcome.status is Status.NEEDS_REVIEW
    reasons = [problem for problem in outcome.problems if problem.kind in FORGERIES[name][1]]
    assert reasons, outcome.problems
    assert all(len(problem.detail.split()) > 5 for problem in reasons)


def test_a_forged_xml_beside_the_page_is_held(forged: dict[str, Outcome]):
    outcome = forged["another XML beside it.pdf"]

    assert outcome.status is Status.NEEDS_REVIEW
    assert ProblemKind.XML_DISAGREES in {problem.kind for problem in outcome.problems}


def test_no_hidden_sum_becomes_a_value(forged: dict[str, Outcome]):
    for name, (_, kinds) in FORGERIES.items():
        outcome = forged[f"{name}.pdf"]
        if (
            kinds == HIDDEN
            and outcome.record is not None
            and name.startswith(("in", "white", "nearly", "under", "tiny"))
        ):
            assert outcome.record.values["grand_total"] == "119.00", name


def test_the_reason_names_what_the_xml_says_and_what_the_page_says(forged: dict[str, Outcome]):
    words = [problem.detail for problem in forged["XML with another total.pdf"].problems]

    assert any("919.00" in detail and "119.00" in detail for detail in words), words


# --- the honest ones ---


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("honest") / "inbox"
    folder.mkdir()
    for number, (place, attach) in enumerate(ATTACH.items()):
        document = page_of(replace(HONEST, number=f"RE-2025-{number}"))
        attach(document, cii(replace(HONEST, number=f"RE-2025-{number}")))
        (folder / f"{place}.pdf").write_bytes(document.tobytes())
    (folder / "alone.pdf").write_bytes(page_of(HONEST).tobytes())
    (folder / "two that agree.pdf").write_bytes(with_xml(cii(HONEST), ubl(HONEST))().tobytes())
    (folder / "beside.pdf").write_bytes(page_of(replace(HONEST, number="RE-9")).tobytes())
    (folder / "beside.xml").write_bytes(ubl(replace(HONEST, number="RE-9")))
    (folder / "bare cii.xml").write_bytes(cii(HONEST))
    (folder / "bare ubl.xml").write_bytes(ubl(HONEST))
    return through(folder)


def test_honest_invoices_are_accepted_wherever_their_xml_lies(honest: dict[str, Outcome]):
    held = {name: one.problems for name, one in honest.items() if one.status is not Status.ACCEPTED}

    assert held == {}
    assert {one.record.values["grand_total"] for one in honest.values() if one.record} == {"119.00"}


def test_xml_beside_a_document_belongs_to_it_and_is_none_by_itself(honest: dict[str, Outcome]):
    record = honest["beside.pdf"].record

    assert "beside.xml" not in honest
    assert record is not None
    assert any(reader.startswith("einvoice/") for reader in record.readers)
    assert (
        record.values["purchase_order" if "purchase_order" in record.values else "invoice_number"] == "RE-9"
    )


def test_an_e_invoice_without_a_page_is_accepted_with_a_page_to_look_at(honest: dict[str, Outcome]):
    outcome = honest["bare ubl.xml"]

    assert outcome.doc_type == "invoice"
    assert [reader.partition("/")[0] for reader in outcome.record.readers] == ["einvoice"]
    assert len(outcome.pages) == 1
    assert {one.field for one in outcome.record.evidence} >= {
        "/grand_total",
        "/invoice_number",
        "/seller_iban",
    }
    assert "attachment/1" in outcome.artifacts


def test_a_bare_e_invoice_with_sums_that_do_not_add_up_is_held(tmp_path: Path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "bare.xml").write_bytes(cii(replace(HONEST, total="919.00")))

    (outcome,) = through(folder).values()

    assert outcome.status is Status.NEEDS_REVIEW
    assert ProblemKind.RULE_FAILED in {problem.kind for problem in outcome.problems}


def test_other_xml_is_set_aside(tmp_path: Path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "other.xml").write_bytes(b"<?xml version='1.0'?><settings/>")
    (folder / "torn.xml").write_bytes(cii(HONEST)[:-40])

    outcomes = through(folder)

    assert {name: one.problems[0].kind for name, one in outcomes.items()} == {
        "other.xml": ProblemKind.UNSUPPORTED_TYPE,
        "torn.xml": ProblemKind.DAMAGED,
    }
