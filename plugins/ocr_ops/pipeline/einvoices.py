"""What a document's attachments say as an e-invoice: fetched from the store for the extract step."""

from __future__ import annotations

from ocr_ops.codec import from_json
from ocr_ops.model import Candidate, Schema
from ocr_ops.pipeline.journey import Journey, Opened
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.readers import einvoice
from ocr_ops.source import XML


def einvoice_files(shop: Workshop, journey: Journey) -> list[tuple[str, bytes]]:
    """Attachments that may be e-invoices, with their bytes."""
    opened = from_json(Opened, shop.store.get(journey.need("open")))
    files = ((one.name, shop.store.get(one.digest)) for one in opened.attachments)
    return [(name, data) for name, data in files if einvoice.may_be_einvoice(name, data)]


def is_bare_xml(journey: Journey) -> bool:
    """Whether the document is an e-invoice without a page: its picture was drawn from it and can confirm nothing."""
    return journey.source is not None and journey.source.media_type == XML


def in_order_of_trust(journey: Journey, read: list[Candidate], stated: Candidate | None) -> list[Candidate]:
    """What was read and what is stated, the most trusted last; of a bare e-invoice only what it states."""
    if stated is None:
        return read
    return [stated] if is_bare_xml(journey) else [*read, stated]


def read_stated(shop: Workshop, journey: Journey, schema: Schema) -> Candidate | None:
    """The candidate of the document's e-invoice, None where it has none."""
    return einvoice.read_einvoices(einvoice_files(shop, journey), schema)
