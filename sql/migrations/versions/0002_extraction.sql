-- What was read: records, fields, boxes, rules, problems, typed tables.

create schema extraction;
comment on schema extraction is 'What was read: records, fields, boxes, rules, problems, typed tables';

create table extraction.problems (
  document_key varchar(71) not null,
  position integer not null,
  stage varchar(40) not null,
  kind varchar(60) not null,
  page integer,
  field varchar(300),
  detail text not null,
  constraint pk_problems primary key (document_key, position),
  constraint fk_problems_document_key foreign key(document_key) references ingest.documents (document_key) on delete cascade
);

comment on table extraction.problems is 'Why documents, pages and fields are held back, in words';
comment on column extraction.problems.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.problems.position is 'Order, from 1';
comment on column extraction.problems.stage is 'Step that noticed: find, open, read, render, extract, validate, load';
comment on column extraction.problems.kind is 'What sort of problem: encrypted, not_on_page, rule_failed';
comment on column extraction.problems.page is 'Page concerned; null for the whole document';
comment on column extraction.problems.field is 'Field concerned, as a JSON pointer; null for the whole document';
comment on column extraction.problems.detail is 'The problem in a sentence';

create table extraction.records (
  document_key varchar(71) not null,
  record_digest varchar(71) not null constraint ck_records_record_digest_is_sha256 check (record_digest ~ '^sha256:[0-9a-f]{64}$'),
  doc_type varchar(80) not null,
  schema_version integer not null,
  schema_fingerprint varchar(71) not null constraint ck_records_schema_fingerprint_is_sha256 check (schema_fingerprint ~ '^sha256:[0-9a-f]{64}$'),
  status text not null constraint ck_records_status_is_known check (status in ('accepted', 'needs_review', 'quarantined', 'rejected')),
  readers text[] not null,
  values jsonb not null,
  constraint pk_records primary key (document_key),
  constraint fk_records_document_key foreign key(document_key) references ingest.documents (document_key) on delete cascade
);

comment on table extraction.records is 'The judged record of each document that could be read, of any document type';
comment on column extraction.records.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.records.record_digest is 'sha256 of the judged record in its canonical form';
comment on column extraction.records.doc_type is 'Document type';
comment on column extraction.records.schema_version is 'Version of the type''s schema file';
comment on column extraction.records.schema_fingerprint is 'sha256 of that schema''s canonical JSON';
comment on column extraction.records.status is 'What the judge decided';
comment on column extraction.records.readers is 'Who proposed values: einvoice, layout, llm';
comment on column extraction.records.values is 'The record in its schema''s field names; amounts are decimal strings';

create table extraction.fields (
  document_key varchar(71) not null,
  field varchar(300) not null,
  position integer not null,
  value text,
  match text constraint ck_fields_match_is_known check (match in ('exact', 'normalised', 'fuzzy', 'ambiguous', 'not_found')),
  page integer,
  raw text,
  constraint pk_fields primary key (document_key, field),
  constraint fk_fields_document_key foreign key(document_key) references extraction.records (document_key) on delete cascade
);

comment on table extraction.fields is 'Every value of every record and how it was found on paper';
comment on column extraction.fields.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.fields.field is 'JSON pointer into the record: /total, /line_items/0/description';
comment on column extraction.fields.position is 'Order within the record, from 1';
comment on column extraction.fields.value is 'The value in the schema''s form; null when the field was looked for and is missing';
comment on column extraction.fields.match is 'How the value was found on the page: exact, normalised, fuzzy, ambiguous, not_found';
comment on column extraction.fields.page is 'Page it stands on';
comment on column extraction.fields.raw is 'What is printed there';

create table extraction.invoices (
  document_key varchar(71) not null,
  record_digest varchar(71) not null constraint ck_invoices_record_digest_is_sha256 check (record_digest ~ '^sha256:[0-9a-f]{64}$'),
  invoice_number varchar(80),
  issue_date date,
  due_date date,
  purchase_order varchar(80),
  seller_name varchar(300),
  seller_address varchar(600),
  seller_tax_id varchar(40),
  seller_iban varchar(42),
  buyer_name varchar(300),
  buyer_address varchar(600),
  buyer_tax_id varchar(40),
  currency char(3) constraint ck_invoices_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  net_total numeric constraint ck_invoices_net_total_is_sane check (abs(net_total) < 1e15 and scale(net_total) <= 6),
  tax_total numeric constraint ck_invoices_tax_total_is_sane check (abs(tax_total) < 1e15 and scale(tax_total) <= 6),
  grand_total numeric constraint ck_invoices_grand_total_is_sane check (abs(grand_total) < 1e15 and scale(grand_total) <= 6),
  amount_due numeric constraint ck_invoices_amount_due_is_sane check (abs(amount_due) < 1e15 and scale(amount_due) <= 6),
  constraint pk_invoices primary key (document_key),
  constraint fk_invoices_document_key foreign key(document_key) references extraction.records (document_key) on delete cascade
);

comment on table extraction.invoices is 'Header of each invoice, typed; values that are not accepted yet are here too, marts.invoices has the accepted';
comment on column extraction.invoices.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.invoices.record_digest is 'sha256 of the record this row was made from';
comment on column extraction.invoices.invoice_number is 'Number the seller gave the invoice';
comment on column extraction.invoices.issue_date is 'Date of the invoice';
comment on column extraction.invoices.due_date is 'Day by which it must be paid';
comment on column extraction.invoices.purchase_order is 'The buyer''s order number';
comment on column extraction.invoices.seller_name is 'Who issued the invoice';
comment on column extraction.invoices.seller_address is 'Postal address of the seller, on one line';
comment on column extraction.invoices.seller_tax_id is 'VAT number or tax number of the seller';
comment on column extraction.invoices.seller_iban is 'Account to pay to';
comment on column extraction.invoices.buyer_name is 'Who the invoice is addressed to';
comment on column extraction.invoices.buyer_address is 'Postal address of the buyer, on one line';
comment on column extraction.invoices.buyer_tax_id is 'VAT number of the buyer';
comment on column extraction.invoices.currency is 'ISO 4217 code of the amounts';
comment on column extraction.invoices.net_total is 'Sum of all lines before tax, after discounts';
comment on column extraction.invoices.tax_total is 'All tax of the invoice';
comment on column extraction.invoices.grand_total is 'Amount with tax, before deducting anything already paid';
comment on column extraction.invoices.amount_due is 'What is still to be paid';

create table extraction.receipts (
  document_key varchar(71) not null,
  record_digest varchar(71) not null constraint ck_receipts_record_digest_is_sha256 check (record_digest ~ '^sha256:[0-9a-f]{64}$'),
  merchant_name varchar(300),
  merchant_address varchar(600),
  merchant_tax_id varchar(40),
  receipt_number varchar(60),
  date date,
  time time,
  currency char(3) constraint ck_receipts_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  subtotal numeric constraint ck_receipts_subtotal_is_sane check (abs(subtotal) < 1e15 and scale(subtotal) <= 6),
  tax_total numeric constraint ck_receipts_tax_total_is_sane check (abs(tax_total) < 1e15 and scale(tax_total) <= 6),
  total numeric constraint ck_receipts_total_is_sane check (abs(total) < 1e15 and scale(total) <= 6),
  payment_method varchar(60),
  constraint pk_receipts primary key (document_key),
  constraint fk_receipts_document_key foreign key(document_key) references extraction.records (document_key) on delete cascade
);

comment on table extraction.receipts is 'Header of each receipt, typed; values that are not accepted yet are here too, marts.receipts has the accepted';
comment on column extraction.receipts.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.receipts.record_digest is 'sha256 of the record this row was made from';
comment on column extraction.receipts.merchant_name is 'Shop or company that issued the receipt';
comment on column extraction.receipts.merchant_address is 'Postal address of the merchant, on one line';
comment on column extraction.receipts.merchant_tax_id is 'VAT, GST or tax number of the merchant';
comment on column extraction.receipts.receipt_number is 'Number of the receipt or simplified invoice';
comment on column extraction.receipts.date is 'Day of the purchase';
comment on column extraction.receipts.time is 'Local time of the purchase';
comment on column extraction.receipts.currency is 'ISO 4217 code of the amounts';
comment on column extraction.receipts.subtotal is 'Sum before tax, or before rounding where the receipt prints one';
comment on column extraction.receipts.tax_total is 'Tax contained in or added to the total';
comment on column extraction.receipts.total is 'What had to be paid, tax included and after rounding';
comment on column extraction.receipts.payment_method is 'How it was paid, in the receipt''s words';

create table extraction.rule_results (
  document_key varchar(71) not null,
  position integer not null,
  rule varchar(120) not null,
  holds boolean,
  fields text[] not null,
  detail text not null,
  constraint pk_rule_results primary key (document_key, position),
  constraint fk_rule_results_document_key foreign key(document_key) references extraction.records (document_key) on delete cascade
);

comment on table extraction.rule_results is 'Arithmetic and cross-field rules, with what they found';
comment on column extraction.rule_results.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.rule_results.position is 'Order, from 1';
comment on column extraction.rule_results.rule is 'Rule of the schema: net_and_tax_make_gross';
comment on column extraction.rule_results.holds is 'Whether it holds; null when it does not apply because a field is missing';
comment on column extraction.rule_results.fields is 'Fields it looked at, as JSON pointers';
comment on column extraction.rule_results.detail is 'The sum or comparison in words';

create table extraction.field_boxes (
  document_key varchar(71) not null,
  field varchar(300) not null,
  position integer not null,
  block_id varchar(80) not null,
  page integer,
  box_grid numeric(6, 2)[] constraint ck_field_boxes_box_grid_has_4 check (cardinality(box_grid) = 4),
  box_px integer[] constraint ck_field_boxes_box_px_has_4 check (cardinality(box_px) = 4),
  score numeric(5, 4),
  constraint pk_field_boxes primary key (document_key, field, position),
  constraint fk_field_boxes_document_key_field foreign key(document_key, field) references extraction.fields (document_key, field) on delete cascade
);

comment on table extraction.field_boxes is 'Where on the page each value stands; several rows when it is spread over several boxes';
comment on column extraction.field_boxes.document_key is 'Which document';
comment on column extraction.field_boxes.field is 'JSON pointer into the record';
comment on column extraction.field_boxes.position is 'Order of the boxes of one field, from 1';
comment on column extraction.field_boxes.block_id is 'Block of the page, as in the page''s HTML: p001.b012';
comment on column extraction.field_boxes.page is 'Page the block is on';
comment on column extraction.field_boxes.box_grid is 'x1, y1, x2, y2 on the 0-999 grid of the upright page, origin top left';
comment on column extraction.field_boxes.box_px is 'x1, y1, x2, y2 in pixels of the page picture, origin top left';
comment on column extraction.field_boxes.score is 'The engine''s own confidence in this block, 0 to 1; null where it gives none';

create table extraction.invoice_lines (
  document_key varchar(71) not null,
  line_no integer not null constraint ck_invoice_lines_line_no_counts_from_1 check (line_no >= 1),
  description varchar(300),
  quantity numeric constraint ck_invoice_lines_quantity_is_sane check (abs(quantity) < 1e15 and scale(quantity) <= 6),
  unit_price numeric constraint ck_invoice_lines_unit_price_is_sane check (abs(unit_price) < 1e15 and scale(unit_price) <= 6),
  tax_rate numeric constraint ck_invoice_lines_tax_rate_is_sane check (abs(tax_rate) < 1e15 and scale(tax_rate) <= 6),
  line_total numeric constraint ck_invoice_lines_line_total_is_sane check (abs(line_total) < 1e15 and scale(line_total) <= 6),
  constraint pk_invoice_lines primary key (document_key, line_no),
  constraint fk_invoice_lines_document_key foreign key(document_key) references extraction.invoices (document_key) on delete cascade
);

comment on table extraction.invoice_lines is 'Lines of each invoice, typed, in the order printed';
comment on column extraction.invoice_lines.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.invoice_lines.line_no is 'Line as printed, from 1';
comment on column extraction.invoice_lines.description is 'What was bought, as printed';
comment on column extraction.invoice_lines.quantity is 'How many, in the unit printed';
comment on column extraction.invoice_lines.unit_price is 'Price of one unit';
comment on column extraction.invoice_lines.tax_rate is 'Tax rate of the line in percent';
comment on column extraction.invoice_lines.line_total is 'Amount of the line as printed';

create table extraction.receipt_lines (
  document_key varchar(71) not null,
  line_no integer not null constraint ck_receipt_lines_line_no_counts_from_1 check (line_no >= 1),
  description varchar(300),
  quantity numeric constraint ck_receipt_lines_quantity_is_sane check (abs(quantity) < 1e15 and scale(quantity) <= 6),
  unit_price numeric constraint ck_receipt_lines_unit_price_is_sane check (abs(unit_price) < 1e15 and scale(unit_price) <= 6),
  line_total numeric constraint ck_receipt_lines_line_total_is_sane check (abs(line_total) < 1e15 and scale(line_total) <= 6),
  constraint pk_receipt_lines primary key (document_key, line_no),
  constraint fk_receipt_lines_document_key foreign key(document_key) references extraction.receipts (document_key) on delete cascade
);

comment on table extraction.receipt_lines is 'Lines of each receipt, typed, in the order printed';
comment on column extraction.receipt_lines.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.receipt_lines.line_no is 'Line as printed, from 1';
comment on column extraction.receipt_lines.description is 'What was bought, as printed';
comment on column extraction.receipt_lines.quantity is 'How many, in the unit printed';
comment on column extraction.receipt_lines.unit_price is 'Price of one unit';
comment on column extraction.receipt_lines.line_total is 'Amount of the line as printed';
