"""One e-invoice's bytes -> its profile and its values, by the tables of `places`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath

from lxml import etree

from ocr_ops.einvoice.places import SYNTAXES, At, Syntax
from ocr_ops.einvoice.safe_xml import BadXml, einvoice_root, first_text, nodes_at, parse_xml, text_of
from ocr_ops.model import Reading

MOST_LINES = 2000
_USUAL_NAMES = frozenset({"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml", "ferd-invoice.xml"})
_TAX_SCHEMES = ("VA", "VAT", "", "FC")
"""Kinds of tax numbers in the order in which they are wanted: the VAT id before the local number."""


@dataclass(frozen=True, slots=True)
class EInvoice:
    """What an e-invoice states. `profile` is its guideline or customisation id; the score of every reading is 1."""

    syntax: str
    profile: str
    type_code: str
    readings: tuple[Reading, ...]


def read_einvoice(data: bytes) -> EInvoice | None:
    """Read an e-invoice; None where the bytes are some other XML, BadXml where they are none that is safe to read."""
    root = parse_xml(data)
    kind = einvoice_root(root)
    if kind is None:
        return None
    syntax = SYNTAXES[kind]
    readings = (*_header(root, syntax), *_lines(root, syntax))
    if not readings:
        raise BadXml("its XML states nothing of an invoice")
    profile = first_text(root, syntax.profile)[:200]
    return EInvoice(syntax.name, profile, first_text(root, syntax.type_code)[:10], readings)


def is_einvoice_name(name: str) -> bool:
    """Whether an attachment is called as the standards call an e-invoice."""
    return PurePath(name).name.lower() in _USUAL_NAMES


def _header(root: etree._Element, syntax: Syntax) -> Iterator[Reading]:
    currency = first_text(root, syntax.currency)
    for at in syntax.header:
        if reading := _reading(root, at, f"/{at.field}", currency):
            yield reading


def _lines(root: etree._Element, syntax: Syntax) -> Iterator[Reading]:
    """Every line in the order stated, lines that gather or explain others among them: they are printed too."""
    currency = first_text(root, syntax.currency)
    row = 0
    for line in islice(nodes_at(root, syntax.lines), MOST_LINES):
        paths = ((at, f"/line_items/{row}/{at.field}") for at in syntax.cells)
        cells = [reading for at, path in paths if (reading := _reading(line, at, path, currency))]
        yield from cells
        row += bool(cells)


def _reading(node: etree._Element, at: At, path: str, currency: str) -> Reading | None:
    """The first value in the document's currency at the first place that has any; of tax numbers the wanted kind."""
    for place in at.paths:
        nodes = [found for found in nodes_at(node, place) if found.get("currencyID", currency) == currency]
        if at.field.endswith("tax_id"):
            nodes.sort(key=_tax_scheme)
        for found in nodes:
            if value := at.form(found):
                return Reading(path, value, (text_of(found) or value)[:300], score=1.0)
    return None


def _tax_scheme(node: etree._Element) -> int:
    """Rank of a tax number: CII says its kind in an attribute, UBL beside it."""
    parent = node.getparent()
    scheme = node.get("schemeID") or (first_text(parent, "TaxScheme/ID") if parent is not None else "")
    return _TAX_SCHEMES.index(scheme) if scheme in _TAX_SCHEMES else len(_TAX_SCHEMES)
