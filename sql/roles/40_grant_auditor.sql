-- Auditors read everything and write nothing.
do $$
begin
  if exists (select from pg_roles where rolname = 'ocr_ops_auditor') then
    grant usage on schema ingest, extraction, audit, marts to ocr_ops_auditor;
    grant select on all tables in schema ingest, extraction, audit, marts to ocr_ops_auditor;
  end if;
end
$$;
