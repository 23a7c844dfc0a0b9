-- Where each value stands on paper: one row a value and box, from the value to the page picture.
--   picture_digest: sha256 of the page picture in the audit store
--   line_no: Line of the document, from 1, when the field belongs to one
create or replace view marts.evidence as
select
  d.name,
  d.doc_type,
  d.status,
  f.field,
  (substring(f.field from '^/line_items/(\d+)/'))::integer + 1 as line_no,
  f.value,
  f.raw,
  f.match,
  coalesce(b.page, f.page) as page,
  b.block_id,
  b.box_px,
  b.box_grid,
  b.score,
  p.picture_digest,
  f.document_key,
  f.position
from extraction.fields f
join ingest.documents d using (document_key)
left join extraction.field_boxes b using (document_key, field)
left join ingest.pages p on p.document_key = f.document_key and p.page = coalesce(b.page, f.page)
where d.superseded_by is null;
