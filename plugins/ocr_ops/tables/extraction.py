"""What was read: records, fields with their boxes, rules, problems, and typed tables by document type."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ocr_ops.model import Kind, Match, Status
from ocr_ops.tables.columns import (
    DigestText,
    box,
    digest,
    document_key,
    field,
    metadata,
    one_of,
    position,
)

records = Table(
    "records",
    metadata,
    document_key(),
    digest("record_digest", "sha256 of the judged record in its canonical form"),
    Column("doc_type", String(80), nullable=False, comment="Document type"),
    Column("schema_version", Integer, nullable=False, comment="Version of the type's schema file"),
    digest("schema_fingerprint", "sha256 of that schema's canonical JSON"),
    one_of("status", Status, "What the judge decided"),
    Column("readers", ARRAY(Text), nullable=False, comment="Who proposed values: einvoice, layout, llm"),
    Column(
        "values",
        JSONB,
        nullable=False,
        comment="The record in its schema's field names; amounts are decimal strings",
    ),
    schema="extraction",
    comment="The judged record of each document that could be read, of any document type",
)

fields = Table(
    "fields",
    metadata,
    document_key("extraction.records"),
    Column(
        "field",
        String(300),
        primary_key=True,
        comment="JSON pointer into the record: /total, /line_items/0/description",
    ),
    Column("position", Integer, nullable=False, comment="Order within the record, from 1"),
    Column(
        "value",
        Text,
        comment="The value in the schema's form; null when the field was looked for and is missing",
    ),
    one_of(
        "match",
        Match,
        "How the value was found on the page: exact, normalised, fuzzy, ambiguous, not_found",
        nullable=True,
    ),
    Column("page", Integer, comment="Page it stands on"),
    Column("raw", Text, comment="What is printed there"),
    schema="extraction",
    comment="Every value of every record and how it was found on paper",
)

field_boxes = Table(
    "field_boxes",
    metadata,
    Column("document_key", DigestText, primary_key=True, comment="Which document"),
    Column("field", String(300), primary_key=True, comment="JSON pointer into the record"),
    ForeignKeyConstraint(
        ["document_key", "field"],
        ["extraction.fields.document_key", "extraction.fields.field"],
        ondelete="CASCADE",
    ),
    position("Order of the boxes of one field, from 1"),
    Column(
        "block_id", String(80), nullable=False, comment="Block of the page, as in the page's HTML: p001.b012"
    ),
    Column("page", Integer, comment="Page the block is on"),
    box("box_grid", Numeric(6, 2), "x1, y1, x2, y2 on the 0-999 grid of the upright page, origin top left"),
    box("box_px", Integer, "x1, y1, x2, y2 in pixels of the page picture, origin top left"),
    Column(
        "score",
        Numeric(5, 4),
        comment="The engine's own confidence in this block, 0 to 1; null where it gives none",
    ),
    schema="extraction",
    comment="Where on the page each value stands; several rows when it is spread over several boxes",
)

rule_results = Table(
    "rule_results",
    metadata,
    document_key("extraction.records"),
    position(),
    Column("rule", String(120), nullable=False, comment="Rule of the schema: net_and_tax_make_gross"),
    Column(
        "holds", Boolean, comment="Whether it holds; null when it does not apply because a field is missing"
    ),
    Column("fields", ARRAY(Text), nullable=False, comment="Fields it looked at, as JSON pointers"),
    Column("detail", Text, nullable=False, comment="The sum or comparison in words"),
    schema="extraction",
    comment="Arithmetic and cross-field rules, with what they found",
)

problems = Table(
    "problems",
    metadata,
    document_key(),
    position(),
    Column(
        "stage",
        String(40),
        nullable=False,
        comment="Step that noticed: find, open, read, render, extract, validate, load",
    ),
    Column(
        "kind",
        String(60),
        nullable=False,
        comment="What sort of problem: encrypted, not_on_page, rule_failed",
    ),
    Column("page", Integer, comment="Page concerned; null for the whole document"),
    Column("field", String(300), comment="Field concerned, as a JSON pointer; null for the whole document"),
    Column("detail", Text, nullable=False, comment="The problem in a sentence"),
    schema="extraction",
    comment="Why documents, pages and fields are held back, in words",
)


def _header(name: str, comment: str, *columns: Column[Any]) -> Table:
    record = digest("record_digest", "sha256 of the record this row was made from")
    return Table(
        name,
        metadata,
        document_key("extraction.records"),
        record,
        *columns,
        schema="extraction",
        comment=comment,
    )


def _lines(name: str, header: str, comment: str, *columns: Column[Any]) -> Table:
    line = Column(
        "line_no",
        Integer,
        CheckConstraint("line_no >= 1", name="line_no_counts_from_1"),
        primary_key=True,
        autoincrement=False,
        comment="Line as printed, from 1",
    )
    return Table(
        name,
        metadata,
        document_key(f"extraction.{header}"),
        line,
        *columns,
        schema="extraction",
        comment=comment,
    )


invoices = _header(
    "invoices",
    "Header of each invoice, typed; values that are not accepted yet are here too, marts.invoices has the accepted",
    field("invoice_number", Kind.IDENTIFIER, "Number the seller gave the invoice", 80),
    field("issue_date", Kind.DATE, "Date of the invoice"),
    field("due_date", Kind.DATE, "Day by which it must be paid"),
    field("purchase_order", Kind.IDENTIFIER, "The buyer's order number", 80),
    field("seller_name", Kind.TEXT, "Who issued the invoice", 300),
    field("seller_address", Kind.ADDRESS, "Postal address of the seller, on one line", 600),
    field("seller_tax_id", Kind.TAX_ID, "VAT number or tax number of the seller", 40),
    field("seller_iban", Kind.IBAN, "Account to pay to", 42),
    field("buyer_name", Kind.TEXT, "Who the invoice is addressed to", 300),
    field("buyer_address", Kind.ADDRESS, "Postal address of the buyer, on one line", 600),
    field("buyer_tax_id", Kind.TAX_ID, "VAT number of the buyer", 40),
    field("currency", Kind.CURRENCY, "ISO 4217 code of the amounts"),
    field("net_total", Kind.MONEY, "Sum of all lines before tax, after discounts"),
    field("tax_total", Kind.MONEY, "All tax of the invoice"),
    field("grand_total", Kind.MONEY, "Amount with tax, before deducting anything already paid"),
    field("amount_due", Kind.MONEY, "What is still to be paid"),
)

invoice_lines = _lines(
    "invoice_lines",
    "invoices",
    "Lines of each invoice, typed, in the order printed",
    field("description", Kind.TEXT, "What was bought, as printed", 300),
    field("quantity", Kind.QUANTITY, "How many, in the unit printed"),
    field("unit_price", Kind.MONEY, "Price of one unit"),
    field("tax_rate", Kind.RATE, "Tax rate of the line in percent"),
    field("line_total", Kind.MONEY, "Amount of the line as printed"),
)

receipts = _header(
    "receipts",
    "Header of each receipt, typed; values that are not accepted yet are here too, marts.receipts has the accepted",
    field("merchant_name", Kind.TEXT, "Shop or company that issued the receipt", 300),
    field("merchant_address", Kind.ADDRESS, "Postal address of the merchant, on one line", 600),
    field("merchant_tax_id", Kind.TAX_ID, "VAT, GST or tax number of the merchant", 40),
    field("receipt_number", Kind.IDENTIFIER, "Number of the receipt or simplified invoice", 60),
    field("date", Kind.DATE, "Day of the purchase"),
    field("time", Kind.TIME, "Local time of the purchase"),
    field("currency", Kind.CURRENCY, "ISO 4217 code of the amounts"),
    field("subtotal", Kind.MONEY, "Sum before tax, or before rounding where the receipt prints one"),
    field("tax_total", Kind.MONEY, "Tax contained in or added to the total"),
    field("total", Kind.MONEY, "What had to be paid, tax included and after rounding"),
    field("payment_method", Kind.TEXT, "How it was paid, in the receipt's words", 60),
)

receipt_lines = _lines(
    "receipt_lines",
    "receipts",
    "Lines of each receipt, typed, in the order printed",
    field("description", Kind.TEXT, "What was bought, as printed", 300),
    field("quantity", Kind.QUANTITY, "How many, in the unit printed"),
    field("unit_price", Kind.MONEY, "Price of one unit"),
    field("line_total", Kind.MONEY, "Amount of the line as printed"),
)

TYPED: dict[str, tuple[Table, Table]] = {
    "invoice": (invoices, invoice_lines),
    "receipt": (receipts, receipt_lines),
}
"""Header and line table by document type; any other type is loaded into `records` and `fields` alone."""
