"""What a record says about money and people, whatever its document type: tax by rate, parties, likeness to others.

The values of a record come in, plain rows of `extraction.taxes`, `parties` and `duplicate_keys` go out. Pure. Nothing
is guessed: a sum that the document's own totals do not confirm stays empty. A value that fits no column is left out
here; the typed table of its document type reports it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ocr_ops.cells import fitting
from ocr_ops.model import JsonObject, Kind

Row = dict[str, Any]

_CENT = Decimal("0.01")
_ROUNDING = Decimal("0.02")
"""How far sums may be apart: each line is rounded on its own."""

_SELLER = {
    "name": ("seller_name", "merchant_name", "company"),
    "address": ("seller_address", "merchant_address"),
    "tax_id": ("seller_tax_id", "merchant_tax_id", "unified_social_credit_code"),
    "iban": ("seller_iban",),
}
_BUYER = {
    "name": ("buyer_name",),
    "address": ("buyer_address",),
    "tax_id": ("buyer_tax_id",),
    "iban": (),
}
_PARTY_KINDS = {
    "name": (Kind.TEXT, 300),
    "address": (Kind.ADDRESS, 600),
    "tax_id": (Kind.TAX_ID, 40),
    "iban": (Kind.IBAN, 42),
}
_NUMBER = ("invoice_number", "receipt_number")
_TOTAL = ("grand_total", "total", "amount")
_NET = ("net_total", "subtotal")
_DATE = ("issue_date", "date")


def party_rows(values: JsonObject) -> tuple[Row, ...]:
    """Seller and buyer, as far as the record names them."""
    rows = (_party(values, role, names) for role, names in (("seller", _SELLER), ("buyer", _BUYER)))
    return tuple(row for row in rows if row is not None)


def _party(values: JsonObject, role: str, names: Mapping[str, tuple[str, ...]]) -> Row | None:
    found = {column: fitting(_first(values, names[column]), *_PARTY_KINDS[column]) for column in _PARTY_KINDS}
    if not any(found.values()):
        return None
    return {"role": role, **found, "name_key": _letters(found["name"]) or None}


def tax_rows(values: JsonObject) -> tuple[Row, ...]:
    """Tax by rate: added up from lines that name their rate, else the one total that is printed."""
    by_rate = _net_by_rate(values)
    tax = _money(values, ("tax_total",))
    if by_rate:
        taxes = _confirmed(by_rate, tax)
        rows = [_tax_row(rate, net, taxes.get(rate), "lines") for rate, net in sorted(by_rate.items())]
    else:
        rows = [_tax_row(None, _money(values, _NET), tax, "totals")] if tax is not None else []
    return tuple({"position": position, **row} for position, row in enumerate(rows, 1))


def _tax_row(rate: Decimal | None, taxable: Decimal | None, tax: Decimal | None, basis: str) -> Row:
    return {"rate": rate, "taxable": taxable, "tax": tax, "basis": basis}


def _net_by_rate(values: JsonObject) -> dict[Decimal, Decimal]:
    """Line amounts by tax rate; nothing unless every line names both and the lines make the net total."""
    by_rate: dict[Decimal, Decimal] = {}
    for line in _lines(values):
        rate, amount = fitting(line.get("tax_rate"), Kind.RATE), fitting(line.get("line_total"), Kind.MONEY)
        if rate is None or amount is None:
            return {}
        by_rate[rate] = by_rate.get(rate, Decimal(0)) + amount
    net = _money(values, _NET)
    return by_rate if net is not None and abs(sum(by_rate.values()) - net) <= _ROUNDING else {}


def _confirmed(by_rate: Mapping[Decimal, Decimal], tax: Decimal | None) -> dict[Decimal, Decimal]:
    """Tax at each rate, where the sum of all is the total that is printed; with one rate it is that total."""
    if tax is None:
        return {}
    if len(by_rate) == 1:
        return dict.fromkeys(by_rate, tax)
    each = {rate: (net * rate / 100).quantize(_CENT) for rate, net in by_rate.items()}
    return each if abs(sum(each.values()) - tax) <= _ROUNDING else {}


def duplicate_keys(values: JsonObject, picture_hash: int | None) -> tuple[Row, ...]:
    """What another copy of the same invoice or receipt would have in common with this one."""
    total, day = _money(values, _TOTAL), fitting(_first(values, _DATE), Kind.DATE)
    amount = "no total" if total is None else format(total.normalize(), "f")
    number = _letters(fitting(_first(values, _NUMBER), Kind.IDENTIFIER, 80))
    keys: list[tuple[str, str]] = []
    for seller in _seller_keys(values):
        if number:
            keys.append(("number", f"{seller} {number}"))
        if total is not None and day is not None:
            keys.append(("amount", f"{seller} {amount} {day}"))
    if picture_hash is not None:
        keys.append(("picture", f"{amount} {day or 'no date'}"))
    return tuple({"kind": kind, "key": key} for kind, key in dict.fromkeys(keys))


def _seller_keys(values: JsonObject) -> Iterator[str]:
    for column in ("name", "tax_id"):
        if key := _letters(fitting(_first(values, _SELLER[column]), *_PARTY_KINDS[column])):
            yield key


def _letters(text: str | None) -> str:
    """Letters and digits alone, in lower case: what is left equal when a name is printed another way."""
    if not text:
        return ""
    plain = unicodedata.normalize("NFKC", text).lower()
    return "".join(sign for sign in plain if sign.isalnum())[:300]


def _first(values: JsonObject, names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _money(values: JsonObject, names: tuple[str, ...]) -> Decimal | None:
    found: Decimal | None = fitting(_first(values, names), Kind.MONEY)
    return found


def _lines(values: JsonObject) -> Iterator[JsonObject]:
    items = values.get("line_items") or ()
    return (
        (item for item in items if isinstance(item, Mapping)) if isinstance(items, list | tuple) else iter(())
    )
