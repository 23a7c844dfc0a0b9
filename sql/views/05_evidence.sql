-- Where every value of every version stands on paper: one row a value and box, from the value to the page picture.
--   line_no: Line of the document, from 1, when the field belongs to one
--   box_position: Order of the boxes of one field, from 1; null when it stands nowhere
--   box_pt: x1, y1, x2, y2 in points (1/72 inch) of the upright page, origin top left; null where the file names no size
--   picture_digest: sha256 of the page picture in the audit store
--   rules: Rules that looked at the field: name, whether it holds, the sum in words
create or replace view extraction.evidence as
select
  f.document_key,
  f.version,
  f.field,
  f.position,
  (substring(f.field from '^/line_items/(\d+)/'))::integer + 1 as line_no,
  f.value,
  f.raw,
  f.match,
  coalesce(b.page, f.page) as page,
  b.block_id,
  b.position as box_position,
  b.box_grid,
  b.box_px,
  (
    select array_agg(round(u.side * 72 / p.dpi, 2) order by u.n)
    from unnest(b.box_px) with ordinality u (side, n)
    where p.dpi > 0
  ) as box_pt,
  b.score,
  p.picture_digest,
  p.engine,
  p.engine_version,
  p.model,
  (
    select jsonb_agg(jsonb_build_object('rule', r.rule, 'holds', r.holds, 'detail', r.detail) order by r.position)
    from extraction.rule_results r
    where r.document_key = f.document_key and r.version = f.version and f.field = any(r.fields)
  ) as rules
from extraction.fields f
left join extraction.field_boxes b using (document_key, version, field)
left join ingest.pages p
  on p.document_key = f.document_key and p.version = f.version and p.page = coalesce(b.page, f.page);
