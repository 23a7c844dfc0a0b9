"""Text of XML elements -> values in schema form. What is not well formed has no value; nothing is guessed or rounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from lxml import etree

from ocr_ops.einvoice.safe_xml import first_text, text_of

Form = Callable[[etree._Element], str]
"""An element's value in schema form, or nothing."""

MOST_CHARACTERS = {"name": 300, "address": 600, "code": 80}

_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,20})?\Z", re.ASCII)
_COMPACT_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)", re.ASCII)
_MOST_DECIMALS = 6


def name(node: etree._Element) -> str:
    """Words, no longer than a schema takes."""
    return text_of(node)[: MOST_CHARACTERS["name"]].strip()


def code(node: etree._Element) -> str:
    """An identifier; one that is too long is none."""
    text = text_of(node)
    return text if len(text) <= MOST_CHARACTERS["code"] else ""


def iban(node: etree._Element) -> str:
    """An account number without its blanks."""
    return code(node).replace(" ", "").upper()


def currency(node: etree._Element) -> str:
    """An ISO 4217 code."""
    text = text_of(node)
    return text if re.fullmatch(r"[A-Z]{3}", text, re.ASCII) else ""


def day(node: etree._Element) -> str:
    """A date: ISO (UBL), or eight digits (CII, format 102; longer forms begin with them)."""
    parts = _COMPACT_DATE.match(text_of(node))
    if parts is None or node.get("format", "102") not in ("102", "203", "204"):
        return ""
    try:
        return date(*(int(part) for part in parts.groups())).isoformat()
    except ValueError:
        return ""


def money(node: etree._Element) -> str:
    """An amount with two decimals or as many more as it states."""
    return _number(node, 2)


def number(node: etree._Element) -> str:
    """A quantity or a rate without idle zeros."""
    return _number(node, 0)


def _number(node: etree._Element, fewest_decimals: int) -> str:
    text = text_of(node)
    if not _NUMBER.match(text):
        return ""
    whole, _, decimals = format(Decimal(text), "f").partition(".")
    decimals = decimals.rstrip("0").ljust(fewest_decimals, "0")
    if len(decimals) > _MOST_DECIMALS:
        return ""
    shown = f"{whole}.{decimals}" if decimals else whole
    return shown if Decimal(shown) else shown.removeprefix("-")


def cii_address(node: etree._Element) -> str:
    """Street, place and post code of a CII address."""
    streets = [first_text(node, line) for line in ("LineOne", "LineTwo", "LineThree")]
    return _address(*streets, f"{first_text(node, 'PostcodeCode')} {first_text(node, 'CityName')}")


def ubl_address(node: etree._Element) -> str:
    """Street, place and post code of a UBL address."""
    streets = [first_text(node, line) for line in ("StreetName", "AdditionalStreetName", "AddressLine/Line")]
    return _address(*streets, f"{first_text(node, 'PostalZone')} {first_text(node, 'CityName')}")


def _address(*lines: str) -> str:
    return ", ".join(line.strip() for line in lines if line.strip())[: MOST_CHARACTERS["address"]]
