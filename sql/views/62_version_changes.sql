-- What each version changed against the one that counted before it, field by field, with the evidence of both.
--   old_version: Version that counted before
--   new_version: Version that was made or proposed
--   changed_at: Since when the new version counts; when it was made, for one that does not
--   changed_by: Who or what made it
--   field: JSON pointer into the record, or status or doc_type of the whole document
--   position: Order within the document
--   old_value: Value before; null when there was none
--   new_value: Value after; null when there is none any more
--   old_page: Page on which the old value stands
--   old_raw: What is printed there
--   old_box_px: x1, y1, x2, y2 of its first box, in pixels of the page picture
--   new_page: Page on which the new value stands
--   new_raw: What is printed there
--   new_box_px: x1, y1, x2, y2 of its first box, in pixels of the page picture
create or replace view marts.version_changes as
select
  n.document_key,
  d.name,
  n.base_version as old_version,
  n.version as new_version,
  n.state,
  coalesce(n.valid_from, n.made_at) as changed_at,
  n.made_by as changed_by,
  n.reason,
  c.field,
  c.position,
  c.old_value,
  c.new_value,
  c.old_page,
  c.old_raw,
  c.old_box_px,
  c.new_page,
  c.new_raw,
  c.new_box_px
from extraction.records n
join extraction.records o on o.document_key = n.document_key and o.version = n.base_version
join ingest.documents d on d.document_key = n.document_key
cross join lateral (
  select 'status' as field, -1 as position, o.status as old_value, n.status as new_value, null::integer as old_page,
    null::text as old_raw, null::integer[] as old_box_px, null::integer as new_page, null::text as new_raw,
    null::integer[] as new_box_px
  where o.status <> n.status
  union all
  select 'doc_type', 0, o.doc_type, n.doc_type, null, null, null, null, null, null
  where o.doc_type is distinct from n.doc_type
  union all
  select coalesce(a.field, b.field), coalesce(b.position, a.position), a.value, b.value, a.page, a.raw, a.box_px,
    b.page, b.raw, b.box_px
  from (
    select f.field, f.position, f.value, coalesce(x.page, f.page) as page, f.raw, x.box_px
    from extraction.fields f
    left join extraction.field_boxes x
      on x.document_key = f.document_key and x.version = f.version and x.field = f.field and x.position = 1
    where f.document_key = o.document_key and f.version = o.version
  ) a
  full join (
    select f.field, f.position, f.value, coalesce(x.page, f.page) as page, f.raw, x.box_px
    from extraction.fields f
    left join extraction.field_boxes x
      on x.document_key = f.document_key and x.version = f.version and x.field = f.field and x.position = 1
    where f.document_key = n.document_key and f.version = n.version
  ) b on b.field = a.field
  where a.value is distinct from b.value
) c;
