"""What was read: records, fields with their boxes, rules, problems, and typed tables by document type."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ocr_ops.model import Kind, Match, Status
from ocr_ops.tables.columns import (
    DigestText,
    Instant,
    box,
    digest,
    field,
    key_of_version,
    metadata,
    of_version,
    one_of,
    position,
)

records = Table(
    "records",
    metadata,
    Column(
        "document_key",
        DigestText,
        ForeignKey("ingest.documents.document_key", ondelete="CASCADE"),
        comment="Which document; the key of ingest.documents",
    ),
    digest(
        "record_digest", "sha256 of the judged record in its canonical form; null without one", nullable=True
    ),
    Column("doc_type", String(80), comment="Document type; null when unknown"),
    Column("schema_version", Integer, comment="Version of the type's schema file"),
    digest("schema_fingerprint", "sha256 of that schema's canonical JSON", nullable=True),
    one_of("status", Status, "What the judge decided; quarantined when nothing could be read"),
    Column(
        "readers", ARRAY(Text), comment="Who proposed values, with versions: layout/2, llm/model/prompt-3"
    ),
    Column(
        "values",
        JSONB,
        comment="The record in its schema's field names; amounts are decimal strings; null when nothing could be read",
    ),
    Column(
        "version",
        Integer,
        CheckConstraint("version >= 1", name="version_counts_from_1"),
        autoincrement=False,
        comment="Version, from 1; a correction is a new version and the old ones stay",
    ),
    Column(
        "state",
        Text,
        CheckConstraint("state in ('promoted', 'proposed', 'discarded')", name="state_is_known"),
        nullable=False,
        comment="promoted (readers see or saw it), proposed (waits to be promoted) or discarded (was never seen)",
    ),
    Column("valid_from", Instant, comment="Since when it is what we believe; null unless promoted"),
    Column("valid_to", Instant, comment="Until when; null for the version that counts now"),
    Column("made_at", Instant, nullable=False, comment="When it was written"),
    Column("made_by", String(200), nullable=False, comment="Who or what made it: pipeline, or a person"),
    Column("reason", Text, nullable=False, comment="Why it was made"),
    Column("run_id", String(250), ForeignKey("ingest.runs.run_id"), comment="In which run"),
    digest("content_digest", "sha256 over everything loaded for this version"),
    Column(
        "base_version",
        Integer,
        comment="Version that counted when this one was proposed; promotion is refused when it no longer does",
    ),
    Column("decided_at", Instant, comment="When a proposal was promoted or discarded"),
    Column("decided_by", String(200), comment="Who decided that"),
    Column("decision_reason", Text, comment="Why"),
    digest("manifest_digest", "sha256 of the manifest of its processing in the audit store", nullable=True),
    Column(
        "kept",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="What it was made from and with: digest in the audit store by role (source, page/1/raw/1, llm/attempt/1)",
    ),
    PrimaryKeyConstraint("document_key", "version"),
    CheckConstraint("(state = 'promoted') = (valid_from is not null)", name="promoted_is_valid"),
    CheckConstraint("valid_to >= valid_from", name="ends_after_it_starts"),
    CheckConstraint("(record_digest is null) = (values is null)", name="record_is_whole"),
    # one version counts and one proposal waits, whatever loaders do
    Index(
        "ix_records_current",
        "document_key",
        unique=True,
        postgresql_where=text("state = 'promoted' and valid_to is null"),
    ),
    Index("ix_records_proposed", "document_key", unique=True, postgresql_where=text("state = 'proposed'")),
    # marts.as_of and "what changed since": 20,000 documents with few changes are not read whole
    Index(None, "valid_from"),
    schema="extraction",
    comment="What we believe of each document, version by version; versions are added and never rewritten",
)

fields = Table(
    "fields",
    metadata,
    key_of_version(),
    Column(
        "field",
        String(300),
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
    *of_version("field"),
    schema="extraction",
    comment="Every value of every record and how it was found on paper",
)

field_boxes = Table(
    "field_boxes",
    metadata,
    Column("document_key", DigestText, comment="Which document"),
    Column("field", String(300), comment="JSON pointer into the record"),
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
    Column("version", Integer, autoincrement=False, comment="Version of the document's record, from 1"),
    PrimaryKeyConstraint("document_key", "version", "field", "position"),
    ForeignKeyConstraint(
        ["document_key", "version", "field"],
        ["extraction.fields.document_key", "extraction.fields.version", "extraction.fields.field"],
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["document_key", "version", "page"],
        ["ingest.pages.document_key", "ingest.pages.version", "ingest.pages.page"],
        ondelete="CASCADE",
    ),
    schema="extraction",
    comment="Where on the page each value stands; several rows when it is spread over several boxes",
)

rule_results = Table(
    "rule_results",
    metadata,
    key_of_version(),
    position(),
    Column("rule", String(120), nullable=False, comment="Rule of the schema: net_and_tax_make_gross"),
    Column(
        "holds", Boolean, comment="Whether it holds; null when it does not apply because a field is missing"
    ),
    Column("fields", ARRAY(Text), nullable=False, comment="Fields it looked at, as JSON pointers"),
    Column("detail", Text, nullable=False, comment="The sum or comparison in words"),
    *of_version("position"),
    schema="extraction",
    comment="Arithmetic and cross-field rules, with what they found",
)

problems = Table(
    "problems",
    metadata,
    key_of_version(),
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
    *of_version("position"),
    schema="extraction",
    comment="Why documents, pages and fields are held back, in words",
)

taxes = Table(
    "taxes",
    metadata,
    key_of_version(),
    position(),
    field("rate", Kind.RATE, "Tax rate in percent; null where the document does not say"),
    field("taxable", Kind.MONEY, "Amount the tax is taken of"),
    field("tax", Kind.MONEY, "Tax at this rate; null where it cannot be told from the document's totals"),
    Column(
        "basis",
        Text,
        CheckConstraint("basis in ('printed', 'lines', 'totals')", name="basis_is_known"),
        nullable=False,
        comment="Where the row comes from: printed (a tax table), lines (added up by rate) or totals",
    ),
    *of_version("position"),
    schema="extraction",
    comment="Tax of each document by rate",
)

parties = Table(
    "parties",
    metadata,
    key_of_version(),
    Column(
        "role",
        Text,
        CheckConstraint("role in ('seller', 'buyer')", name="role_is_known"),
        comment="seller (the merchant of a receipt too) or buyer",
    ),
    field("name", Kind.TEXT, "Name as printed", 300),
    field("address", Kind.ADDRESS, "Postal address, on one line", 600),
    field("tax_id", Kind.TAX_ID, "VAT number or tax number", 40),
    field("iban", Kind.IBAN, "Account to pay to", 42),
    Column(
        "name_key",
        String(300),
        comment="The name's letters and digits in lower case: spellings of one party are equal",
    ),
    *of_version("role"),
    schema="extraction",
    comment="Who sold and who bought, one row a party of a document",
)

duplicate_keys = Table(
    "duplicate_keys",
    metadata,
    key_of_version(),
    Column(
        "kind",
        Text,
        CheckConstraint("kind in ('number', 'amount', 'picture')", name="kind_is_known"),
        comment="number (seller and number), amount (seller, amount and date) or picture (amount; then the pictures are compared)",
    ),
    Column("key", String(700), comment="Documents with an equal key may be one document"),
    *of_version("kind", "key"),
    # marts.possible_duplicates joins the table with itself on these two
    Index(None, "kind", "key"),
    schema="extraction",
    comment="What two documents have in common when they are the same invoice or receipt",
)


def _header(name: str, comment: str, *columns: Column[Any]) -> Table:
    record = digest("record_digest", "sha256 of the record this row was made from")
    return Table(
        name,
        metadata,
        key_of_version(),
        record,
        *columns,
        *of_version(),
        schema="extraction",
        comment=comment,
    )


def _lines(name: str, header: str, comment: str, *columns: Column[Any]) -> Table:
    line = Column(
        "line_no",
        Integer,
        CheckConstraint("line_no >= 1", name="line_no_counts_from_1"),
        autoincrement=False,
        comment="Line as printed, from 1",
    )
    return Table(
        name,
        metadata,
        key_of_version(),
        line,
        *columns,
        *of_version("line_no", parent=f"extraction.{header}"),
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
