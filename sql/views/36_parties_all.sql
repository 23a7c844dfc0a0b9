-- Sellers and buyers of every document, with its status; name_key is equal for spellings that differ in signs and case.
create or replace view marts.parties_all as
select
  p.role,
  p.name,
  p.name_key,
  p.tax_id,
  p.iban,
  p.address,
  d.status,
  p.document_key
from extraction.parties p
join ingest.documents d using (document_key, version)
where d.superseded_by is null;
