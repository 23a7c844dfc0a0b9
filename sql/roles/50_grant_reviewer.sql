-- Reviewers read what was read, add corrected versions and decide which version counts; what was read stays as it is.
do $$
begin
  if exists (select from pg_roles where rolname = 'ocr_ops_reviewer') then
    grant usage on schema ingest, extraction, audit, marts to ocr_ops_reviewer;
    grant select on all tables in schema ingest, extraction, audit, marts to ocr_ops_reviewer;
    grant insert on all tables in schema extraction to ocr_ops_reviewer;
    grant insert on ingest.pages, ingest.runs, ingest.run_documents, ingest.sightings, ingest.model_calls to ocr_ops_reviewer;
    grant update on ingest.documents, ingest.runs, ingest.run_documents to ocr_ops_reviewer;
    grant update (state, valid_from, valid_to, decided_at, decided_by, decision_reason) on extraction.records to ocr_ops_reviewer;
    grant insert on all tables in schema audit to ocr_ops_reviewer;
    revoke insert on audit.schema_version from ocr_ops_reviewer;
  end if;
end
$$;
