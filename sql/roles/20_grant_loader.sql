-- The loader writes what came in and what was read; to the audit tables it can only add.
do $$
begin
  if exists (select from pg_roles where rolname = 'ocr_ops_loader') then
    grant usage on schema ingest, extraction, audit, marts to ocr_ops_loader;
    grant select, insert, update, delete on all tables in schema ingest, extraction to ocr_ops_loader;
    grant select, insert on all tables in schema audit to ocr_ops_loader;
    revoke insert on audit.schema_version from ocr_ops_loader;
    grant select on all tables in schema marts to ocr_ops_loader;
  end if;
end
$$;
