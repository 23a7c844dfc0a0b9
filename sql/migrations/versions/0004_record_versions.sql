-- Records become versions: every row that was read belongs to a document and a version of it. What is there is version 1.
-- Columns get constant defaults, which rewrite no table; keys are made anew, so writers wait while this runs.

-- --- the document says which version counts ---

alter table ingest.documents
  add column version integer not null default 1,
  add column tenant varchar(80) not null default 'main';
alter table ingest.documents alter column version drop default;

-- --- keys that give way ---

alter table extraction.invoice_lines drop constraint fk_invoice_lines_document_key;
alter table extraction.receipt_lines drop constraint fk_receipt_lines_document_key;
alter table extraction.field_boxes drop constraint fk_field_boxes_document_key_field;
alter table extraction.invoices drop constraint fk_invoices_document_key;
alter table extraction.receipts drop constraint fk_receipts_document_key;
alter table extraction.fields drop constraint fk_fields_document_key;
alter table extraction.rule_results drop constraint fk_rule_results_document_key;
alter table extraction.problems drop constraint fk_problems_document_key;
alter table ingest.pages drop constraint fk_pages_document_key;
alter table extraction.records drop constraint pk_records;

-- --- records ---

alter table extraction.records
  add column version integer not null default 1,
  add column state text not null default 'promoted',
  add column valid_from timestamptz,
  add column valid_to timestamptz,
  add column made_at timestamptz,
  add column made_by varchar(200) not null default 'pipeline',
  add column reason text not null default 'loaded before versions were kept',
  add column run_id varchar(250),
  add column content_digest varchar(71),
  add column base_version integer,
  add column decided_at timestamptz,
  add column decided_by varchar(200),
  add column decision_reason text,
  add column manifest_digest varchar(71),
  add column kept jsonb not null default '{}'::jsonb,
  alter column record_digest drop not null,
  alter column doc_type drop not null,
  alter column schema_version drop not null,
  alter column schema_fingerprint drop not null,
  alter column readers drop not null,
  alter column values drop not null;

-- a document that gave no record has a version too: that nothing could be read is what we believe of it
insert into extraction.records (document_key, status, doc_type)
select d.document_key, d.status, d.doc_type
from ingest.documents d
where not exists (select from extraction.records r where r.document_key = d.document_key);

with latest as (
  select distinct on (document_key, role) document_key, role, digest
  from audit.links
  order by document_key, role, linked_at desc
),
kept as (
  select document_key, jsonb_object_agg(role, digest) as roles from latest group by document_key
)
update extraction.records r
set valid_from = d.loaded_at,
  made_at = d.loaded_at,
  content_digest = d.content_digest,
  kept = coalesce(k.roles, '{}'::jsonb),
  manifest_digest = k.roles ->> 'manifest'
from ingest.documents d
left join kept k using (document_key)
where r.document_key = d.document_key;

alter table extraction.records
  alter column version drop default,
  alter column state drop default,
  alter column made_by drop default,
  alter column reason drop default,
  alter column made_at set not null,
  alter column content_digest set not null,
  add constraint pk_records primary key (document_key, version),
  add constraint fk_records_run_id foreign key (run_id) references ingest.runs (run_id),
  add constraint ck_records_version_counts_from_1 check (version >= 1),
  add constraint ck_records_state_is_known check (state in ('promoted', 'proposed', 'discarded')),
  add constraint ck_records_content_digest_is_sha256 check (content_digest ~ '^sha256:[0-9a-f]{64}$'),
  add constraint ck_records_manifest_digest_is_sha256 check (manifest_digest ~ '^sha256:[0-9a-f]{64}$'),
  add constraint ck_records_promoted_is_valid check ((state = 'promoted') = (valid_from is not null)),
  add constraint ck_records_ends_after_it_starts check (valid_to >= valid_from),
  add constraint ck_records_record_is_whole check ((record_digest is null) = (values is null));

-- one version counts and one proposal waits, whatever loaders do
create unique index ix_records_current on extraction.records (document_key) where state = 'promoted' and valid_to is null;
create unique index ix_records_proposed on extraction.records (document_key) where state = 'proposed';
create index ix_records_valid_from on extraction.records (valid_from);

-- --- everything that belongs to a version ---

-- a block that no page of ours has keeps its row and loses the page
update extraction.field_boxes b
set page = null
where b.page is not null
  and not exists (select from ingest.pages p where p.document_key = b.document_key and p.page = b.page);

alter table extraction.invoices
  drop constraint pk_invoices,
  add column version integer not null default 1;
alter table extraction.invoices
  alter column version drop default,
  add constraint pk_invoices primary key (document_key, version),
  add constraint fk_invoices_document_key_version foreign key (document_key, version) references extraction.records (document_key, version) on delete cascade;

alter table extraction.receipts
  drop constraint pk_receipts,
  add column version integer not null default 1;
alter table extraction.receipts
  alter column version drop default,
  add constraint pk_receipts primary key (document_key, version),
  add constraint fk_receipts_document_key_version foreign key (document_key, version) references extraction.records (document_key, version) on delete cascade;

alter table extraction.fields
  drop constraint pk_fields,
  add column version integer not null default 1;
alter table extraction.fields
  alter column version drop default,
  add constraint pk_fields primary key (document_key, version, field),
  add constraint fk_fields_document_key_version foreign key (document_key, version) references extraction.records (document_key, version) on delete cascade;

alter table extraction.rule_results
  drop constraint pk_rule_results,
  add column version integer not null default 1;
alter table extraction.rule_results
  alter column version drop default,
  add constraint pk_rule_results primary key (document_key, version, position),
  add constraint fk_rule_results_document_key_version foreign key (document_key, version) references extraction.records (document_key, version) on delete cascade;

alter table extraction.problems
  drop constraint pk_problems,
  add column version integer not null default 1;
alter table extraction.problems
  alter column version drop default,
  add constraint pk_problems primary key (document_key, version, position),
  add constraint fk_problems_document_key_version foreign key (document_key, version) references extraction.records (document_key, version) on delete cascade;

alter table ingest.pages
  drop constraint pk_pages,
  add column version integer not null default 1,
  add column picture_hash bigint;
alter table ingest.pages
  alter column version drop default,
  add constraint pk_pages primary key (document_key, version, page),
  add constraint fk_pages_document_key_version foreign key (document_key, version) references extraction.records (document_key, version) on delete cascade;

alter table extraction.invoice_lines
  drop constraint pk_invoice_lines,
  add column version integer not null default 1;
alter table extraction.invoice_lines
  alter column version drop default,
  add constraint pk_invoice_lines primary key (document_key, version, line_no),
  add constraint fk_invoice_lines_document_key_version foreign key (document_key, version) references extraction.invoices (document_key, version) on delete cascade;

alter table extraction.receipt_lines
  drop constraint pk_receipt_lines,
  add column version integer not null default 1;
alter table extraction.receipt_lines
  alter column version drop default,
  add constraint pk_receipt_lines primary key (document_key, version, line_no),
  add constraint fk_receipt_lines_document_key_version foreign key (document_key, version) references extraction.receipts (document_key, version) on delete cascade;

alter table extraction.field_boxes
  drop constraint pk_field_boxes,
  add column version integer not null default 1;
alter table extraction.field_boxes
  alter column version drop default,
  add constraint pk_field_boxes primary key (document_key, version, field, position),
  add constraint fk_field_boxes_document_key_version_field foreign key (document_key, version, field) references extraction.fields (document_key, version, field) on delete cascade,
  add constraint fk_field_boxes_document_key_version_page foreign key (document_key, version, page) references ingest.pages (document_key, version, page) on delete cascade;

-- --- new tables ---

create table extraction.taxes (
  document_key varchar(71) not null,
  position integer not null,
  rate numeric constraint ck_taxes_rate_is_sane check (abs(rate) < 1e15 and scale(rate) <= 6),
  taxable numeric constraint ck_taxes_taxable_is_sane check (abs(taxable) < 1e15 and scale(taxable) <= 6),
  tax numeric constraint ck_taxes_tax_is_sane check (abs(tax) < 1e15 and scale(tax) <= 6),
  basis text not null constraint ck_taxes_basis_is_known check (basis in ('printed', 'lines', 'totals')),
  version integer not null,
  constraint pk_taxes primary key (document_key, version, position),
  constraint fk_taxes_document_key_version foreign key(document_key, version) references extraction.records (document_key, version) on delete cascade
);

comment on table extraction.taxes is 'Tax of each document by rate';
comment on column extraction.taxes.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.taxes.position is 'Order, from 1';
comment on column extraction.taxes.rate is 'Tax rate in percent; null where the document does not say';
comment on column extraction.taxes.taxable is 'Amount the tax is taken of';
comment on column extraction.taxes.tax is 'Tax at this rate; null where it cannot be told from the document''s totals';
comment on column extraction.taxes.basis is 'Where the row comes from: printed (a tax table), lines (added up by rate) or totals';
comment on column extraction.taxes.version is 'Version of the document''s record, from 1';

create table extraction.parties (
  document_key varchar(71) not null,
  role text not null constraint ck_parties_role_is_known check (role in ('seller', 'buyer')),
  name varchar(300),
  address varchar(600),
  tax_id varchar(40),
  iban varchar(42),
  name_key varchar(300),
  version integer not null,
  constraint pk_parties primary key (document_key, version, role),
  constraint fk_parties_document_key_version foreign key(document_key, version) references extraction.records (document_key, version) on delete cascade
);

comment on table extraction.parties is 'Who sold and who bought, one row a party of a document';
comment on column extraction.parties.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.parties.role is 'seller (the merchant of a receipt too) or buyer';
comment on column extraction.parties.name is 'Name as printed';
comment on column extraction.parties.address is 'Postal address, on one line';
comment on column extraction.parties.tax_id is 'VAT number or tax number';
comment on column extraction.parties.iban is 'Account to pay to';
comment on column extraction.parties.name_key is 'The name''s letters and digits in lower case: spellings of one party are equal';
comment on column extraction.parties.version is 'Version of the document''s record, from 1';

create table extraction.duplicate_keys (
  document_key varchar(71) not null,
  kind text not null constraint ck_duplicate_keys_kind_is_known check (kind in ('number', 'amount', 'picture')),
  key varchar(700) not null,
  version integer not null,
  constraint pk_duplicate_keys primary key (document_key, version, kind, key),
  constraint fk_duplicate_keys_document_key_version foreign key(document_key, version) references extraction.records (document_key, version) on delete cascade
);

create index ix_duplicate_keys_kind_key on extraction.duplicate_keys (kind, key);

comment on table extraction.duplicate_keys is 'What two documents have in common when they are the same invoice or receipt';
comment on column extraction.duplicate_keys.document_key is 'Which document; the key of ingest.documents';
comment on column extraction.duplicate_keys.kind is 'number (seller and number), amount (seller, amount and date) or picture (amount; then the pictures are compared)';
comment on column extraction.duplicate_keys.key is 'Documents with an equal key may be one document';
comment on column extraction.duplicate_keys.version is 'Version of the document''s record, from 1';

create table ingest.model_calls (
  digest varchar(71) not null constraint ck_model_calls_digest_is_sha256 check (digest ~ '^sha256:[0-9a-f]{64}$'),
  document_key varchar(71) not null,
  page integer,
  stage varchar(40) not null,
  engine varchar(80) not null,
  model varchar(200) not null,
  prompt_version varchar(80),
  prompt_tokens integer not null,
  completion_tokens integer not null,
  seconds numeric(12, 3) not null,
  run_id varchar(250) not null,
  noted_at timestamptz not null,
  constraint pk_model_calls primary key (digest),
  constraint fk_model_calls_digest foreign key(digest) references audit.artifacts (digest),
  constraint fk_model_calls_document_key foreign key(document_key) references ingest.documents (document_key) on delete cascade,
  constraint fk_model_calls_run_id foreign key(run_id) references ingest.runs (run_id)
);

create index ix_model_calls_document_key on ingest.model_calls (document_key);

comment on table ingest.model_calls is 'Every question to a model, once, however often its answer was used again: what documents cost';
comment on column ingest.model_calls.digest is 'sha256 of the request and reply in the audit store';
comment on column ingest.model_calls.document_key is 'Which document it was made for';
comment on column ingest.model_calls.page is 'Page that was read; null for the whole document';
comment on column ingest.model_calls.stage is 'read (OCR of a page) or extract (fields of a document)';
comment on column ingest.model_calls.engine is 'Program that answered: embedded, vllm, llm';
comment on column ingest.model_calls.model is 'Model that answered';
comment on column ingest.model_calls.prompt_version is 'Version of the prompt; null where the engine takes none';
comment on column ingest.model_calls.prompt_tokens is 'Tokens sent, as the server counted; 0 without tokens';
comment on column ingest.model_calls.completion_tokens is 'Tokens answered, as the server counted';
comment on column ingest.model_calls.seconds is 'From sending to the whole reply; requests in flight at once overlap';
comment on column ingest.model_calls.run_id is 'Run that loaded it first';
comment on column ingest.model_calls.noted_at is 'When it was loaded first';

create table ingest.prices (
  model varchar(200) not null,
  currency char(3) not null constraint ck_prices_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  per_million_prompt_tokens numeric default '0' not null,
  per_million_completion_tokens numeric default '0' not null,
  per_hour numeric default '0' not null,
  constraint pk_prices primary key (model)
);

comment on table ingest.prices is 'What models cost: filled in by whoever pays, read by marts.costs_daily';
comment on column ingest.prices.model is 'Model, as in ingest.model_calls';
comment on column ingest.prices.currency is 'ISO 4217 code of the prices';
comment on column ingest.prices.per_million_prompt_tokens is 'Price of tokens sent';
comment on column ingest.prices.per_million_completion_tokens is 'Price of tokens answered';
comment on column ingest.prices.per_hour is 'Price of an hour of waiting for this model, for machines that are paid by time';


-- --- what the new tables say of documents that are there; rows.py fills them from now on ---

insert into extraction.parties (document_key, version, role, name, address, tax_id, iban, name_key)
select document_key, version, role, name, address, tax_id, iban,
  nullif(lower(regexp_replace(normalize(name, nfkc), '[^[:alnum:]]', '', 'g')), '')
from (
  select document_key, version, 'seller' as role, seller_name as name, seller_address as address,
    seller_tax_id as tax_id, seller_iban as iban
  from extraction.invoices
  union all
  select document_key, version, 'buyer', buyer_name, buyer_address, buyer_tax_id, null from extraction.invoices
  union all
  select document_key, version, 'seller', merchant_name, merchant_address, merchant_tax_id, null from extraction.receipts
) p
where coalesce(name, address, tax_id, iban) is not null;

insert into extraction.taxes (document_key, version, position, rate, taxable, tax, basis)
select document_key, version, 1, null::numeric, net_total, tax_total, 'totals' from extraction.invoices where tax_total is not null
union all
select document_key, version, 1, null, null, tax_total, 'totals' from extraction.receipts where tax_total is not null;

-- --- comments ---

comment on table extraction.records is 'What we believe of each document, version by version; versions are added and never rewritten';
comment on column extraction.records.record_digest is 'sha256 of the judged record in its canonical form; null without one';
comment on column extraction.records.doc_type is 'Document type; null when unknown';
comment on column extraction.records.schema_fingerprint is 'sha256 of that schema''s canonical JSON';
comment on column extraction.records.status is 'What the judge decided; quarantined when nothing could be read';
comment on column extraction.records.readers is 'Who proposed values, with versions: layout/2, llm/model/prompt-3';
comment on column extraction.records.values is 'The record in its schema''s field names; amounts are decimal strings; null when nothing could be read';
comment on column extraction.records.version is 'Version, from 1; a correction is a new version and the old ones stay';
comment on column extraction.records.state is 'promoted (readers see or saw it), proposed (waits to be promoted) or discarded (was never seen)';
comment on column extraction.records.valid_from is 'Since when it is what we believe; null unless promoted';
comment on column extraction.records.valid_to is 'Until when; null for the version that counts now';
comment on column extraction.records.made_at is 'When it was written';
comment on column extraction.records.made_by is 'Who or what made it: pipeline, or a person';
comment on column extraction.records.reason is 'Why it was made';
comment on column extraction.records.run_id is 'In which run';
comment on column extraction.records.content_digest is 'sha256 over everything loaded for this version';
comment on column extraction.records.base_version is 'Version that counted when this one was proposed; promotion is refused when it no longer does';
comment on column extraction.records.decided_at is 'When a proposal was promoted or discarded';
comment on column extraction.records.decided_by is 'Who decided that';
comment on column extraction.records.decision_reason is 'Why';
comment on column extraction.records.manifest_digest is 'sha256 of the manifest of its processing in the audit store';
comment on column extraction.records.kept is 'What it was made from and with: digest in the audit store by role (source, page/1/raw/1, llm/attempt/1)';
comment on table ingest.pages is 'One row per page that was read, for each version of the document';
comment on column ingest.pages.version is 'Version of the document''s record, from 1';
comment on column ingest.pages.picture_hash is 'What the picture looks like in 64 bits: pictures of one sheet differ in few of them; null where not known';
comment on column ingest.documents.version is 'Version of extraction.records that counts now; readers of all tables join on it';
comment on column ingest.documents.tenant is 'Whose document it is, where several companies share one warehouse';
comment on column extraction.invoices.version is 'Version of the document''s record, from 1';
comment on column extraction.receipts.version is 'Version of the document''s record, from 1';
comment on column extraction.fields.version is 'Version of the document''s record, from 1';
comment on column extraction.rule_results.version is 'Version of the document''s record, from 1';
comment on column extraction.problems.version is 'Version of the document''s record, from 1';
comment on table ingest.pages is 'One row per page that was read, for each version of the document';
comment on column ingest.pages.version is 'Version of the document''s record, from 1';
comment on column ingest.pages.picture_hash is 'What the picture looks like in 64 bits: pictures of one sheet differ in few of them; null where not known';
comment on column extraction.invoice_lines.version is 'Version of the document''s record, from 1';
comment on column extraction.receipt_lines.version is 'Version of the document''s record, from 1';
comment on column extraction.field_boxes.version is 'Version of the document''s record, from 1';
