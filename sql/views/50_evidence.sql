-- Where each value that counts now stands on paper: one row a value and box, from the value to the page picture.
create or replace view marts.evidence as
select
  d.name,
  d.doc_type,
  d.status,
  e.field,
  e.line_no,
  e.value,
  e.raw,
  e.match,
  e.page,
  e.block_id,
  e.box_px,
  e.box_grid,
  e.score,
  e.picture_digest,
  e.document_key,
  e.position,
  e.box_pt,
  e.rules,
  e.version
from extraction.evidence e
join ingest.documents d using (document_key, version)
where d.superseded_by is null;
