"""Seller and buyer of an invoice: names and addresses, by label, by the place letters put them, by legal form.

In: laid-out pages and the schema's fields with a party role. Out: `Reading`s. Knows no company by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocr_ops.grammar.dates import find_dates
from ocr_ops.grammar.numbers import find_amounts, parse_number
from ocr_ops.grammar.words import digits, fold, letters, squeeze
from ocr_ops.model import FieldSpec, Reading, Schema
from ocr_ops.readers.layout import lexicon
from ocr_ops.readers.layout.labels import LabelSet
from ocr_ops.readers.layout.merchant import (
    Found,
    address_score,
    clean_address,
    is_priced,
    line_kind,
    plain_form,
    read_merchant,
)
from ocr_ops.readers.layout.page import Cell, Page, Row, runs

_NAME_WORD = re.compile(
    r"^\W*(?:name|firma|firmenname|company|company name|nom|raison sociale|nome|nombre)\W*$", re.IGNORECASE
)
_ADDRESS_WORD = re.compile(
    r"^\W*(?:anschrift|adresse|address|indirizzo|direcci[oó]n|adres)\W*$", re.IGNORECASE
)
_NOT_A_NAME = re.compile(
    r"(?<![a-z])(?:gln|nummer|number|kunden-?nr|lief-?nr|nr\.?|no\.?|id|kundennummer|tel\w*|fax|e-?mail|ust\w*|vat\w*|attn|z\. ?hd|seite|page|datum|date|adresse|address|rechnung|invoice|facture)\b\W*[:\d]",
    re.IGNORECASE,
)
_BARE_WORD = re.compile(
    r"^\W*(?:globale? )?(?:nummer|number|gln|id|name|adresse|address|anschrift|nr)\W*(?:\(.*\))?$",
    re.IGNORECASE,
)
_ATTENTION = re.compile(
    r"^\W*(?:attn|attention|z\. ?hd|zu h[aä]nden|c/o|à l'attention|herrn?|frau|mr|mrs|ms)\b[.: ]*",
    re.IGNORECASE,
)
_SEPARATED = re.compile(r"\s*(?:[●•·|∙◦]|\s-\s|,)\s*")
_OFFICE = re.compile(
    r"si[eè]ge social|registered office|sitz der|siret|handelsreg|amtsgericht|rcs |hrb|gesch[aä]ftsf",
    re.IGNORECASE,
)
_GAP = 1.6


@dataclass(frozen=True, slots=True)
class Party:
    """One party as found: the name, the address and how sure."""

    name: Found | None
    address: Found | None


def read_parties(pages: Sequence[Page], schema: Schema, labels: LabelSet) -> tuple[Reading, ...]:
    """Readings for the seller and buyer roles of a document type."""
    roles = {f.role: f for f in schema.fields if f.role}
    if not roles.keys() & {"seller_name", "buyer_name", "seller_address", "buyer_address"} or not pages:
        return ()
    named_buyer = _labelled(pages, roles.get("buyer_name"), labels)
    buyer = named_buyer or _window(pages[0])
    seller = _labelled(pages, roles.get("seller_name"), labels)
    seller = _fuller(_seller(pages, buyer) if seller is None else seller, pages)
    if named_buyer is None and (seller is None or seller.name is None):
        # the only party on the page, and nothing says it is the buyer: whoever writes an invoice names itself
        buyer, seller = None, buyer
    found = {
        "buyer_name": buyer.name if buyer else None,
        "buyer_address": buyer.address if buyer else None,
        "seller_name": seller.name if seller else None,
        "seller_address": seller.address if seller else None,
    }
    return tuple(
        Reading(roles[role].path, value.text, value.text, value.blocks, round(value.score, 3))
        for role, value in found.items()
        if value and role in roles
    )


def _labelled(pages: Sequence[Page], field: FieldSpec | None, labels: LabelSet) -> Party | None:
    if field is None:
        return None
    for page in pages:
        for place, row in enumerate(page.rows):
            for at, cell in enumerate(row.cells):
                party = _at_label(page, place, row, at, field, labels) if len(cell.text) < 60 else None
                if party and party.name:
                    return party
    return None


def _at_label(page: Page, place: int, row: Row, at: int, field: FieldSpec, labels: LabelSet) -> Party | None:
    cell = row.cells[at]
    head, _, rest = cell.text.partition(":")
    matches = labels.match(head)
    match = matches.get(field.path)
    if match is None or match.score < 0.85 or any(m.score > match.score for m in matches.values()):
        return None
    right = row.cells[at + 1] if at + 1 < len(row.cells) else None
    if letters(rest) >= 3 and not _NOT_A_NAME.search(rest):
        return _party([_with_text(cell, rest), *_below(page, place, cell)])
    if right and ":" in cell.text and right.x1 - cell.x2 < 8 * page.line and _is_name(right.text):
        return _party([right, *_below(page, place, right)])
    if digits(rest) or (
        right and ":" in cell.text and right.x1 - cell.x2 < 8 * page.line and digits(right.text)
    ):
        return None
    party = _by_sub_labels(page, place) or _party(_below(page, place, cell))
    sure = party and party.name and (party.address or lexicon.COMPANY.search(party.name.text))
    return party if sure else None


def _with_text(cell: Cell, text: str) -> Cell:
    return Cell(text.strip(), cell.x1, cell.y1, cell.x2, cell.y2, cell.block, cell.page, cell.score)


def _by_sub_labels(page: Page, place: int) -> Party | None:
    """ "Name:" and "Address:" rows under a heading."""
    name: Cell | None = None
    address: list[Cell] = []
    for row in page.rows[place + 1 : place + 14]:
        first = row.cells[0]
        if len(row.cells) >= 2 and _NAME_WORD.match(first.text):
            if name is not None:
                break
            name = row.cells[1]
        elif len(row.cells) >= 2 and _ADDRESS_WORD.match(first.text):
            address = [row.cells[1]]
        elif address and len(row.cells) == 1 and abs(first.x1 - address[0].x1) < page.line:
            address.append(first)
        elif address:
            break
    if name is None:
        return None
    return Party(_found([name], 0.9), _found(address, 0.8) if address else None)


def _below(page: Page, place: int, cell: Cell) -> list[Cell]:
    """The lines that hang under a cell, left-aligned with it, until a gap or something else begins."""
    lines: list[Cell] = []
    bottom, left = cell.y2, cell.x1
    for row in page.rows[place + 1 : place + 12]:
        near = [
            c
            for c in runs(row, _GAP * page.line)
            if abs(c.x1 - left) < 2.5 * page.line or abs(c.x2 - cell.x2) < page.line
        ]
        if not near:
            if lines and row.y1 - bottom > 1.5 * page.line:
                break
            continue
        if near[0].y1 - bottom > 2.2 * page.line:
            break
        lines.append(near[0])
        bottom = near[0].y2
    return lines


def _party(lines: Sequence[Cell]) -> Party | None:
    """A name line and the address lines under it."""
    useful = [c for c in lines if not _NOT_A_NAME.search(c.text) or lexicon.COMPANY.search(c.text)]
    start = next((n for n, c in enumerate(useful) if _is_name(c.text)), None)
    if start is None:
        return None
    address: list[Cell] = []
    for cell in useful[start + 1 :]:
        kind = line_kind(cell.text)
        if kind in ("phone", "web", "tax", "meta", "title") or find_dates(cell.text):
            break
        address.append(cell)
        if lexicon.POSTCODE.search(cell.text) and len(address) >= 1:
            following = useful[start + 1 + len(address) :][:1]
            address += [
                c
                for c in following
                if lexicon.REGION.search(c.text) and letters(c.text) < 30 and not digits(c.text)
            ]
            break
    has_place = any(address_score(c.text) >= 1.5 for c in address)
    return Party(_found([useful[start]], 0.8), _found(address, 0.7) if has_place else None)


def _is_name(text: str) -> bool:
    if (
        letters(text) < 3
        or len(text) > 70
        or find_dates(text)
        or any(a.looks_like_money for a in find_amounts(text))
    ):
        return False
    if text.lstrip().startswith("(") or _BARE_WORD.match(text) or _OFFICE.search(text):
        return False
    if (
        digits(text) > 0.4 * len(text)
        or (digits(text) >= 5 and not lexicon.COMPANY.search(text))
        or _NOT_A_NAME.search(text)
        or lexicon.WEB.search(text)
    ):
        return False
    return bool(lexicon.COMPANY.search(text)) or (
        line_kind(text) in ("text", "name", "slogan") and not text.rstrip().endswith(":")
    )


def _found(cells: Sequence[Cell], score: float) -> Found:
    text = ", ".join(t for t in (_clean(c.text) for c in cells) if t)
    return Found(text, tuple(dict.fromkeys(c.block for c in cells)), score)


def _clean(text: str) -> str:
    return plain_form(_ATTENTION.sub("", clean_address(text)).strip(" ,;:"))


def _window(page: Page) -> Party | None:
    """The receiver as letters place it: the block under the sender's small line, else the first one on the left."""
    best: tuple[float, Party] | None = None
    for place, row in enumerate(page.rows):
        if row.y1 > page.height * 0.45:
            break
        sender = {cell.x1 for _, cell in _senders(page, row)}
        for cell in runs(row, _GAP * page.line):
            block = [cell, *_below(page, place, cell)]
            if cell.x1 not in sender and _is_name(cell.text) and cell.x1 < page.width * 0.6:
                score = _window_score(page, place, cell, block)
                party = _party(block)
                if score > 1.0 and party and party.address and (best is None or score > best[0]):
                    best = (score, party)
    return best[1] if best else None


def _window_score(page: Page, place: int, cell: Cell, block: Sequence[Cell]) -> float:
    above = page.rows[max(0, place - 4) : place]
    under_sender = any(
        abs(sender.x1 - cell.x1) < 8 * page.line and cell.y1 - sender.y2 < 4 * page.line
        for r in above
        for _, sender in _senders(page, r)
    )
    has_contact = any(line_kind(c.text) in ("phone", "web", "tax") for c in block[:8])
    return (
        3.0 * under_sender
        + 1.0
        - 2.0 * has_contact
        + 0.5 * (page.height * 0.1 < cell.y1)
        + 0.3 * bool(lexicon.COMPANY.search(cell.text))
    )


def _senders(page: Page, row: Row) -> list[tuple[list[str], Cell]]:
    """One-line senders on a row, each as its parts and its cell."""
    found = ((_sender_parts(cell.text), cell) for cell in runs(row, 3 * page.line))
    return [(parts, cell) for parts, cell in found if parts]


def _sender_parts(text: str) -> list[str] | None:
    """The parts of a one-line sender ("Name - Street 1 - 12345 Town"), or None."""
    if not 12 <= len(text) < 130:
        return None
    parts = [p for p in _SEPARATED.split(text) if letters(p) + digits(p) >= 2]
    if 2 <= len(parts) <= 6 and letters("".join(parts[1:])) < 3:
        return None  # "Springfield, OH 43999": a town and no more
    if 2 <= len(parts) <= 6 and any(lexicon.POSTCODE.search(p) for p in parts[1:]):
        return parts if _is_name(parts[0]) and digits(parts[0]) < 5 else None
    form = next((m for m in lexicon.COMPANY.finditer(text) if lexicon.POSTCODE.search(text[m.end() :])), None)
    if form and letters(text[: form.start()]) >= 3:
        return [text[: form.end()].strip(), text[form.end() :].strip(" ,-•●·|")]
    return None


def _seller(pages: Sequence[Page], buyer: Party | None) -> Party | None:
    """The sender: its one-line address, else the company named most and best placed, else the head of the page."""
    taken = squeeze(buyer.name.text) if buyer and buyer.name else ""
    for row in pages[0].rows:
        for parts, cell in _senders(pages[0], row) if row.y1 < pages[0].height * 0.35 else ():
            if squeeze(parts[0]) != taken:
                blocks = tuple(c.block for c in row.cells if cell.x1 <= c.x1 and c.x2 <= cell.x2)
                return Party(Found(parts[0], blocks, 0.7), Found(", ".join(parts[1:]), blocks, 0.6))
    company = _best_company(pages, taken)
    if company:
        return company
    block = _head_block(pages[0], taken)
    if block:
        return block
    name, address = read_merchant(pages)
    return (
        Party(name, address)
        if name and squeeze(name.text) != taken and line_kind(name.text) in ("text", "name")
        else None
    )


def _head_block(page: Page, taken: str) -> Party | None:
    """Any address in the head of the first page that is not the buyer's."""
    for place, row in enumerate(page.rows):
        if row.y1 > page.height * 0.3:
            return None
        for cell in runs(row, _GAP * page.line):
            party = _party([cell, *_below(page, place, cell)]) if _is_name(cell.text) else None
            if party and party.name and party.address and squeeze(party.name.text) != taken:
                return party
    return None


def _best_company(pages: Sequence[Page], taken: str) -> Party | None:
    seen = list(_companies(pages))
    counts = Counter(squeeze(_company_name(cell.text)) for _, _, cell, _ in seen)
    best: tuple[float, Party] | None = None
    for page, place, cell, bonus in seen:
        name = _company_name(cell.text)
        if not name or squeeze(name) == taken:
            continue
        edge = cell.middle < page.height * 0.25 or cell.middle > page.height * 0.8
        score = bonus + 0.7 * counts[squeeze(name)] + 1.0 * edge - 0.5 * (len(cell.text) > 70)
        block = _party([_with_text(cell, name), *_below(page, place, cell)])
        if best is None or score > best[0]:
            address = block.address if block else None
            best = (score, Party(Found(name, (cell.block,), min(0.3 + score / 6, 0.9)), address))
    return best[1] if best else None


def _companies(pages: Sequence[Page]) -> Iterable[tuple[Page, int, Cell, float]]:
    """Lines that name a company: by legal form, or by the registered office that follows."""
    for page in pages:
        for place, row in enumerate(page.rows):
            above_office = place + 1 < len(page.rows) and _OFFICE.search(page.rows[place + 1].text)
            found = [
                (cell, bonus)
                for cell in runs(row, _GAP * page.line)
                if (bonus := _company_bonus(cell.text, above_office=bool(above_office)))
            ]
            if found and not _is_item(row):
                yield from ((page, place, cell, bonus) for cell, bonus in found)


def _company_bonus(text: str, *, above_office: bool) -> float:
    if lexicon.COMPANY.search(text) and letters(_company_name(text)) >= 4:
        return 1.0
    return 1.2 if above_office and _is_name(text) else 0.0


def _is_item(row: Row) -> bool:
    """Whether a line is a row of a priced table: it ends with an amount and holds another number by itself. Nobody signs there."""
    return is_priced(row) and sum(parse_number(cell.text) is not None for cell in row.cells) > 1


def _company_name(text: str) -> str:
    """The company in a line: up to its legal form, from the last separator or colon before it."""
    forms = [m for m in lexicon.COMPANY.finditer(text) if letters(text[: m.start()]) >= 2]
    if not forms:
        return plain_form(text.strip(" ,;:")) if len(text) < 50 else ""
    end = forms[0].end()
    for form in forms[1:]:
        if form.start() - end <= 9:
            end = form.end()
    head = re.split(r"[:•●|]|\s[–-]\s|\bby\b", text[: forms[0].start()])[-1]
    return plain_form((head + text[forms[0].start() : end]).strip(" ,;:-"))


def _fuller(seller: Party | None, pages: Sequence[Page]) -> Party | None:
    """A short sender name replaced by the company line that begins with it."""
    if seller is None or seller.name is None or lexicon.COMPANY.search(seller.name.text):
        return seller
    short = fold(seller.name.text)
    for _, _, cell, _ in _companies(pages):
        name = _company_name(cell.text)
        if fold(name).startswith(short) and len(name) > len(seller.name.text):
            return Party(Found(name, (cell.block, *seller.name.blocks), seller.name.score), seller.address)
    return seller
