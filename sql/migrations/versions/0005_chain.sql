-- The hash chain. Documents loaded before it begin it, one event for each manifest in the order of loading: they are proved
-- from the moment of this migration on. Nothing existing is rewritten; only the manifests are read.

create table audit.chain (
  sequence bigint not null constraint ck_chain_sequence_starts_at_1 check (sequence >= 1),
  at timestamptz not null,
  kind varchar(40) not null constraint ck_chain_kind_is_a_word check (kind ~ '^[a-z][a-z_]*$'),
  subject varchar(250) not null constraint ck_chain_subject_is_one_line check (subject ~ '^[^\n]+$'),
  payload text not null,
  payload_digest varchar(71) not null constraint ck_chain_payload_digest_is_sha256 check (payload_digest ~ '^sha256:[0-9a-f]{64}$'),
  previous_hash varchar(71) not null constraint ck_chain_previous_hash_is_sha256 check (previous_hash ~ '^sha256:[0-9a-f]{64}$'),
  hash varchar(71) not null constraint ck_chain_hash_is_sha256 check (hash ~ '^sha256:[0-9a-f]{64}$'),
  constraint pk_chain primary key (sequence)
);

create index ix_chain_subject on audit.chain (subject);

comment on table audit.chain is 'What happened to documents, in order: no row can be changed or removed without breaking every hash behind it';
comment on column audit.chain.sequence is 'Place in the chain, from 1, no gap';
comment on column audit.chain.at is 'When, by the server''s clock; never before the row ahead';
comment on column audit.chain.kind is 'What happened: loaded, proposed, promoted, discarded, reviewed, retained, erased, held, released, anchored';
comment on column audit.chain.subject is 'What it happened to: the key of a document, or the name of a run or policy';
comment on column audit.chain.payload is 'Details as JSON text: digests, counts, names of rules; never what a document says';
comment on column audit.chain.payload_digest is 'sha256 of the payload''s UTF-8 bytes';
comment on column audit.chain.previous_hash is 'Hash of the row ahead; 64 zeros in the first row';
comment on column audit.chain.hash is 'sha256 over this row and, through previous_hash, every row ahead: docs/auditors.md has the format';

-- --- what was loaded before there was a chain ---

do $$
declare
  made record;
  place bigint := 0;
  moment timestamptz := clock_timestamp();
  before text := 'sha256:' || repeat('0', 64);
  details text;
  own text;
begin
  for made in select digest, document_key, run_id, content_digest from audit.manifests order by loaded_at, digest loop
    place := place + 1;
    details := format(
      '{"content":"%s","manifest":"%s","migrated":true,"run":%s}',
      made.content_digest, made.digest, to_json(made.run_id::text)
    );
    own := 'sha256:' || encode(sha256(convert_to(concat_ws(
      E'\n', 'ocr-ops chain 1', place, to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'loaded',
      made.document_key, 'sha256:' || encode(sha256(convert_to(details, 'UTF8')), 'hex'), before
    ) || E'\n', 'UTF8')), 'hex');
    insert into audit.chain (sequence, at, kind, subject, payload, payload_digest, previous_hash, hash)
    values (
      place, moment, 'loaded', made.document_key, details,
      'sha256:' || encode(sha256(convert_to(details, 'UTF8')), 'hex'), before, own
    );
    before := own;
  end loop;
end
$$;

-- --- rows are only added, by whomever ---

create function audit.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'rows of %.% are only added, never changed or removed', tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end
$$;

comment on function audit.refuse_change() is 'Keeps the rows of a table from being changed or removed, also by its owner';

create trigger only_added before update or delete or truncate on audit.chain
  for each statement execute function audit.refuse_change();
create trigger only_added before update or delete or truncate on audit.manifests
  for each statement execute function audit.refuse_change();
create trigger only_added before update or delete or truncate on audit.links
  for each statement execute function audit.refuse_change();
create trigger only_added before update or delete or truncate on audit.artifacts
  for each statement execute function audit.refuse_change();
