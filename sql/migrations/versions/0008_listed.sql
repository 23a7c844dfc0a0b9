-- What a listing opened, so that a folder of many known files is looked through without opening them.

create table ingest.listed (
  uri_key varchar(71) not null,
  size_bytes bigint not null,
  modified_ns bigint not null,
  changed_ns bigint not null,
  document_key varchar(71) not null,
  constraint pk_listed primary key (uri_key)
);

comment on table ingest.listed is 'Files that a listing opened; one that looks the same again is not opened again';
comment on column ingest.listed.uri_key is 'uri: and the sha256 of the place';
comment on column ingest.listed.size_bytes is 'Size of the file when it was opened last';
comment on column ingest.listed.modified_ns is 'When its bytes changed last, in ns since 1970';
comment on column ingest.listed.changed_ns is 'When anything of it changed last, in ns since 1970';
comment on column ingest.listed.document_key is 'Which document it was then';
