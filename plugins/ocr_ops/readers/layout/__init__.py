"""The layout reader: pages of blocks and a document type in, one candidate value a field out, without any model.

Driven by the schema: kinds choose the grammar, labels the place, roles the heuristics. Proposes only what it is
reasonably sure of; whether a value may be believed is the judge's business. Pure: no I/O, no clock.
"""

from __future__ import annotations

from ocr_ops.readers.layout.reader import READER, VERSION, read_layout

__all__ = ["READER", "VERSION", "read_layout"]
