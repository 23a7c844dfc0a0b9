-- Everything kept in the audit store from which a version was made, with what made it.
--   role: What it is to the document: source, page/1/picture, page/1/raw/1, llm/attempt/1, candidate/1, record, manifest
--   digest: sha256 of the bytes, their name in the audit store
create or replace view marts.provenance as
select
  r.document_key,
  d.name,
  r.version,
  k.role,
  k.digest,
  a.kind,
  a.media_type,
  a.size_bytes,
  c.engine,
  c.model,
  c.prompt_version,
  c.prompt_tokens,
  c.completion_tokens,
  c.seconds
from extraction.records r
join ingest.documents d using (document_key)
cross join lateral jsonb_each_text(r.kept) k (role, digest)
left join audit.artifacts a on a.digest = k.digest
left join ingest.model_calls c on c.digest = k.digest;
