-- What was kept, linked to documents; rows are only added.

comment on schema audit is 'What was kept, linked to documents; rows are only added';

create table audit.artifacts (
  digest varchar(71) not null constraint ck_artifacts_digest_is_sha256 check (digest ~ '^sha256:[0-9a-f]{64}$'),
  kind varchar(80) not null,
  media_type varchar(120) not null,
  size_bytes bigint,
  first_linked_at timestamptz not null,
  constraint pk_artifacts primary key (digest)
);

comment on table audit.artifacts is 'Everything kept in the audit store: rows are only added, bytes are never overwritten';
comment on column audit.artifacts.digest is 'sha256 of the bytes, their name in the audit store';
comment on column audit.artifacts.kind is 'What the bytes are: source, page/picture, page/html, record, manifest';
comment on column audit.artifacts.media_type is 'Format of the bytes';
comment on column audit.artifacts.size_bytes is 'How many bytes; null when the loader was not told';
comment on column audit.artifacts.first_linked_at is 'When the first document was linked to it';

create table audit.links (
  document_key varchar(71) not null,
  role varchar(120) not null,
  digest varchar(71) not null constraint ck_links_digest_is_sha256 check (digest ~ '^sha256:[0-9a-f]{64}$'),
  page integer,
  run_id varchar(250) not null,
  linked_at timestamptz not null,
  constraint pk_links primary key (document_key, role, digest),
  constraint fk_links_document_key foreign key(document_key) references ingest.documents (document_key),
  constraint fk_links_digest foreign key(digest) references audit.artifacts (digest),
  constraint fk_links_run_id foreign key(run_id) references ingest.runs (run_id)
);

create index ix_links_digest on audit.links (digest);

comment on table audit.links is 'Which document led to which artifact: rows are only added';
comment on column audit.links.document_key is 'Which document; the key of ingest.documents';
comment on column audit.links.role is 'What it is to the document: source, page/1/picture, llm/attempt/1, record';
comment on column audit.links.digest is 'Which artifact';
comment on column audit.links.page is 'Page concerned; null for the whole document';
comment on column audit.links.run_id is 'Run that produced the link first';
comment on column audit.links.linked_at is 'When; the latest link of a role is the one that counts';

create table audit.manifests (
  digest varchar(71) not null constraint ck_manifests_digest_is_sha256 check (digest ~ '^sha256:[0-9a-f]{64}$'),
  document_key varchar(71) not null,
  run_id varchar(250) not null,
  content_digest varchar(71) not null constraint ck_manifests_content_digest_is_sha256 check (content_digest ~ '^sha256:[0-9a-f]{64}$'),
  loaded_at timestamptz not null,
  constraint pk_manifests primary key (digest),
  constraint fk_manifests_digest foreign key(digest) references audit.artifacts (digest),
  constraint fk_manifests_document_key foreign key(document_key) references ingest.documents (document_key),
  constraint fk_manifests_run_id foreign key(run_id) references ingest.runs (run_id)
);

create index ix_manifests_document_key on audit.manifests (document_key);

comment on table audit.manifests is 'One row per processing of a document: its manifest lists every step with inputs, output and versions';
comment on column audit.manifests.digest is 'sha256 of the manifest in the audit store';
comment on column audit.manifests.document_key is 'Which document was processed';
comment on column audit.manifests.run_id is 'In which run';
comment on column audit.manifests.content_digest is 'What was loaded: ingest.documents.content_digest at that time';
comment on column audit.manifests.loaded_at is 'When';

comment on table audit.schema_version is 'Which migration the database stands at';
comment on column audit.schema_version.version_num is 'Name of the last migration applied, from sql/migrations/versions';

create schema marts;
comment on schema marts is 'Views for people: start here';
