-- The loader adds what came in and what was read. Versions and audit rows it can only add; of a version it can change
-- whether and since when it counts, nothing that was read.
do $$
begin
  if exists (select from pg_roles where rolname = 'ocr_ops_loader') then
    grant usage on schema ingest, extraction, audit, marts to ocr_ops_loader;
    revoke all on all tables in schema ingest, extraction from ocr_ops_loader;
    grant select, insert on all tables in schema ingest, extraction to ocr_ops_loader;
    grant update on ingest.documents, ingest.runs, ingest.run_documents, ingest.listed to ocr_ops_loader;
    grant update (state, valid_from, valid_to, decided_at, decided_by, decision_reason) on extraction.records to ocr_ops_loader;
    revoke insert on ingest.prices, ingest.tenant_readers from ocr_ops_loader;
    grant select, insert on all tables in schema audit to ocr_ops_loader;
    revoke insert on audit.schema_version from ocr_ops_loader;
    grant select on all tables in schema marts to ocr_ops_loader;
  end if;
end
$$;
