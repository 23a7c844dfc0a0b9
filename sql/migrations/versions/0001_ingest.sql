-- What came in: documents, pages, places, runs.

create schema ingest;
comment on schema ingest is 'What came in: documents, pages, places, runs';

create table ingest.documents (
  document_key varchar(71) not null constraint ck_documents_document_key_is_a_key check (document_key ~ '^(sha256|uri):[0-9a-f]{64}$'),
  digest varchar(71) constraint ck_documents_digest_is_sha256 check (digest ~ '^sha256:[0-9a-f]{64}$'),
  uri text not null,
  name text not null,
  media_type varchar(120),
  size_bytes bigint constraint ck_documents_size_bytes_is_sane check (size_bytes >= 0),
  page_count integer not null,
  status text not null constraint ck_documents_status_is_known check (status in ('accepted', 'needs_review', 'quarantined', 'rejected')),
  doc_type varchar(80),
  content_digest varchar(71) not null constraint ck_documents_content_digest_is_sha256 check (content_digest ~ '^sha256:[0-9a-f]{64}$'),
  processed_key varchar(71),
  superseded_by varchar(71),
  first_seen_at timestamptz not null,
  loaded_at timestamptz not null,
  constraint pk_documents primary key (document_key),
  constraint ck_documents_document_key_fits_digest check (document_key = digest or document_key like 'uri:%'),
  constraint fk_documents_superseded_by foreign key(superseded_by) references ingest.documents (document_key)
);

create index ix_documents_digest on ingest.documents (digest);

create index ix_documents_held_back on ingest.documents (loaded_at) where status = 'needs_review';

comment on table ingest.documents is 'One row per document, whatever became of it';
comment on column ingest.documents.document_key is 'sha256 of the file; for a file that could not be read, or repeats another, uri: and the sha256 of its place';
comment on column ingest.documents.digest is 'sha256 of the file''s bytes; null when they could not be read';
comment on column ingest.documents.uri is 'Where it was seen first; ingest.sightings has every place';
comment on column ingest.documents.name is 'File name where it was seen first';
comment on column ingest.documents.media_type is 'What the bytes are, by their content and not by the file''s name';
comment on column ingest.documents.size_bytes is 'Size of the file';
comment on column ingest.documents.page_count is 'Pages that were read';
comment on column ingest.documents.status is 'accepted, needs_review, quarantined (unreadable) or rejected (by a person)';
comment on column ingest.documents.doc_type is 'Document type (a folder of extraction_schemas); null when unknown';
comment on column ingest.documents.content_digest is 'sha256 over everything loaded for the document; differs when any of it changed';
comment on column ingest.documents.processed_key is 'Everything that decided the result, hashed: file, engine, models, schema, versions';
comment on column ingest.documents.superseded_by is 'Set when the file at this place could be read later: the document it turned out to be';
comment on column ingest.documents.first_seen_at is 'When it was loaded for the first time';
comment on column ingest.documents.loaded_at is 'When its content last changed';

create table ingest.runs (
  run_id varchar(250) not null,
  dag_id varchar(250),
  trigger varchar(60) not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  params jsonb default '{}'::jsonb not null,
  documents integer,
  accepted integer,
  needs_review integer,
  quarantined integer,
  rejected integer,
  changed integer,
  constraint pk_runs primary key (run_id)
);

comment on table ingest.runs is 'One row per processing run';
comment on column ingest.runs.run_id is 'Name of the run, Airflow''s own where Airflow ran it';
comment on column ingest.runs.dag_id is 'DAG that ran; null for the command line';
comment on column ingest.runs.trigger is 'What started it: manual, scheduled, asset, cli';
comment on column ingest.runs.started_at is 'When it started';
comment on column ingest.runs.finished_at is 'When it finished; null while running or when it was killed';
comment on column ingest.runs.params is 'What it was asked to do';
comment on column ingest.runs.documents is 'Documents it saw; this and the other counts are set when it finishes';
comment on column ingest.runs.accepted is 'Of these, accepted';
comment on column ingest.runs.needs_review is 'Of these, held back for a person';
comment on column ingest.runs.quarantined is 'Of these, impossible to read';
comment on column ingest.runs.rejected is 'Of these, rejected by a person';
comment on column ingest.runs.changed is 'Of these, new or with another content than before';

create table ingest.pages (
  document_key varchar(71) not null,
  page integer not null constraint ck_pages_page_counts_from_1 check (page >= 1),
  picture_digest varchar(71) not null constraint ck_pages_picture_digest_is_sha256 check (picture_digest ~ '^sha256:[0-9a-f]{64}$'),
  width_px integer not null,
  height_px integer not null,
  dpi numeric(8, 2),
  turn integer not null constraint ck_pages_turn_is_quarter check (turn in (0, 90, 180, 270)),
  blocks integer not null,
  engine varchar(80),
  engine_version varchar(80),
  model varchar(200),
  attempts integer not null,
  constraint pk_pages primary key (document_key, page),
  constraint fk_pages_document_key foreign key(document_key) references ingest.documents (document_key) on delete cascade
);

comment on table ingest.pages is 'One row per page that was read';
comment on column ingest.pages.document_key is 'Which document; the key of ingest.documents';
comment on column ingest.pages.page is 'Page number, from 1';
comment on column ingest.pages.picture_digest is 'sha256 of the upright page picture in the audit store';
comment on column ingest.pages.width_px is 'Width of that picture in pixels';
comment on column ingest.pages.height_px is 'Height of that picture in pixels';
comment on column ingest.pages.dpi is 'Resolution of that picture; null where the file does not say';
comment on column ingest.pages.turn is 'Clockwise degrees that made the page upright';
comment on column ingest.pages.blocks is 'Blocks of text and figures read on it';
comment on column ingest.pages.engine is 'What read it: an OCR engine or the file''s own text layer';
comment on column ingest.pages.engine_version is 'Version of that engine';
comment on column ingest.pages.model is 'OCR model it used';
comment on column ingest.pages.attempts is 'Readings made until one was good; all are kept in the audit store';

create table ingest.run_documents (
  run_id varchar(250) not null,
  document_key varchar(71) not null,
  uri_key varchar(71) not null,
  status text not null constraint ck_run_documents_status_is_known check (status in ('accepted', 'needs_review', 'quarantined', 'rejected')),
  changed boolean not null,
  seen_at timestamptz not null,
  timings jsonb default '{}'::jsonb not null,
  constraint pk_run_documents primary key (run_id, document_key, uri_key),
  constraint fk_run_documents_run_id foreign key(run_id) references ingest.runs (run_id),
  constraint fk_run_documents_document_key foreign key(document_key) references ingest.documents (document_key) on delete cascade
);

create index ix_run_documents_document_key on ingest.run_documents (document_key);

comment on table ingest.run_documents is 'Which run saw which document, and what became of it there';
comment on column ingest.run_documents.run_id is 'Which run';
comment on column ingest.run_documents.document_key is 'Which document; the key of ingest.documents';
comment on column ingest.run_documents.uri_key is 'Where this run found it: uri: and the sha256 of the place';
comment on column ingest.run_documents.status is 'What became of it in this run';
comment on column ingest.run_documents.changed is 'Whether this run created or changed it';
comment on column ingest.run_documents.seen_at is 'When this run loaded it or saw that it is known';
comment on column ingest.run_documents.timings is 'Seconds by step; empty when it was known already';

create table ingest.sightings (
  document_key varchar(71) not null,
  uri_key varchar(71) not null,
  uri text not null,
  name text not null,
  first_seen_at timestamptz not null,
  constraint pk_sightings primary key (document_key, uri_key),
  constraint fk_sightings_document_key foreign key(document_key) references ingest.documents (document_key) on delete cascade
);

comment on table ingest.sightings is 'Every place a document''s bytes were found at';
comment on column ingest.sightings.document_key is 'Which document; the key of ingest.documents';
comment on column ingest.sightings.uri_key is 'uri: and the sha256 of the place';
comment on column ingest.sightings.uri is 'A place the document was found at';
comment on column ingest.sightings.name is 'File name there';
comment on column ingest.sightings.first_seen_at is 'When it was first found there';
