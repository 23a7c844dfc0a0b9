"""Bytes of a stranger -> an XML tree that cannot do anything, and the few questions asked of it.

In: bytes. Out: lxml elements. A document type declaration is refused whatever it says, since no e-invoice has one:
so there are no entities to unfold, no files to fetch and no defaults to add.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

MOST_BYTES = 10_000_000
"""An invoice of ten thousand lines has about so many; pictures inside an XML invoice may not make it larger."""
_HEAD = 4096

_ROOTS = (
    ("CrossIndustryInvoice", "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:"),
    ("CrossIndustryDocument", "urn:ferd:CrossIndustryDocument:"),
    ("Invoice", "urn:oasis:names:specification:ubl:schema:xsd:Invoice-"),
    ("CreditNote", "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-"),
)
_ROOT_TAG = re.compile(
    rb"\A(?:\s*+(?:<\?.*?\?>|<!--.*?-->))*+\s*+"
    rb"<(?:[A-Za-z_][\w.-]{0,40}:)?(?:CrossIndustryInvoice|CrossIndustryDocument|Invoice|CreditNote)[\s>]",
    re.DOTALL,
)


class BadXml(ValueError):
    """Raise when bytes are no XML that is safe to read; the message is for the person who sent them."""


def parse_xml(data: bytes) -> etree._Element:
    """The root element; BadXml when the bytes are too many, not well formed, or bring a document type declaration."""
    if len(data) > MOST_BYTES:
        raise BadXml(f"its XML has {len(data):,} bytes, more than the {MOST_BYTES:,} allowed")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as problem:
        raise BadXml("its XML is damaged") from problem
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadXml("its XML brings a document type declaration, which no e-invoice may")
    return root


def einvoice_root(root: etree._Element) -> str | None:
    """The name of an e-invoice's root element, or None where this is some other XML."""
    name = etree.QName(root)
    spaces = dict(_ROOTS)
    known = spaces.get(name.localname)
    return name.localname if known is not None and (name.namespace or "").startswith(known) else None


def looks_like_einvoice(head: bytes) -> bool:
    """Whether the first bytes of a file open like an e-invoice; reading it decides."""
    return _ROOT_TAG.match(head[:_HEAD].removeprefix(b"\xef\xbb\xbf")) is not None


def nodes_at(node: etree._Element, path: str) -> Iterator[etree._Element]:
    """Elements at a path of local names from `node`; a step may list alternatives ("A|B/C")."""
    step, _, rest = path.partition("/")
    names = step.split("|")
    for child in node:
        if isinstance(child.tag, str) and etree.QName(child).localname in names:
            if rest:
                yield from nodes_at(child, rest)
            else:
                yield child


def text_of(node: etree._Element) -> str:
    """The element's own text with its blanks tidied."""
    return " ".join((node.text or "").split())


def first_text(node: etree._Element, path: str) -> str:
    """Text of the first element at a path that has some, or nothing."""
    return next((text for found in nodes_at(node, path) if (text := text_of(found))), "")
