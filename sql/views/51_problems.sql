-- Every problem of every document as it counts now, possible duplicates among them, one row each.
--   stage: Step that noticed: find, open, read, render, extract, validate, load
--   kind: What sort of problem: encrypted, not_on_page, rule_failed, possible_duplicate
--   page: Page concerned; null for the whole document
--   field: Field concerned, as a JSON pointer; null for the whole document
--   detail: The problem in a sentence
--   since: When the document was last loaded with another content
create or replace view marts.problems as
select
  d.document_key,
  d.name,
  d.doc_type,
  d.status,
  p.stage,
  p.kind,
  p.page,
  p.field,
  p.detail,
  d.loaded_at as since
from extraction.problems p
join ingest.documents d using (document_key, version)
where d.superseded_by is null
union all
select d.document_key, d.name, d.doc_type, d.status, 'load', 'possible_duplicate', null, null, p.detail, d.loaded_at
from marts.possible_duplicates p
join ingest.documents d using (document_key);
