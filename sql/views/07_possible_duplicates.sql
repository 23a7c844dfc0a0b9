-- Pairs of documents that may be one: a problem of the later one, for a person to decide; nothing is ever deleted for it.
--   document_key: The later document
--   name: File name of the later document
--   duplicate_of: The earlier document
--   duplicate_of_name: File name of the earlier document
--   why: same_bytes, same_number (and seller), same_amount (seller, amount and date), same_picture (few of 64 bits differ; same amount and date)
--   detail: The suspicion in a sentence
--   seen_at: When the later one was loaded for the first time
create or replace view marts.possible_duplicates as
select
  l.document_key,
  l.name,
  l.status,
  e.document_key as duplicate_of,
  e.name as duplicate_of_name,
  array_agg(distinct p.why order by p.why) as why,
  format('May be the same as %s: %s.', e.name, string_agg(distinct p.words, ', ' order by p.words)) as detail,
  l.first_seen_at as seen_at
from (
  select a.document_key, b.document_key as other, 'same_bytes' as why, 'the same bytes' as words
  from ingest.documents a
  join ingest.documents b on b.digest = a.digest and b.document_key <> a.document_key
  union all
  select
    a.document_key,
    b.document_key,
    case a.kind when 'number' then 'same_number' else 'same_amount' end,
    case a.kind when 'number' then 'same seller and number' else 'same seller, amount and date' end
  from extraction.duplicate_keys a
  join extraction.duplicate_keys b
    on b.kind = a.kind and b.key = a.key and b.document_key <> a.document_key
  join ingest.documents da on da.document_key = a.document_key and da.version = a.version
  join ingest.documents db on db.document_key = b.document_key and db.version = b.version
  where a.kind in ('number', 'amount')
  union all
  select a.document_key, b.document_key, 'same_picture', 'pictures that look alike'
  from extraction.duplicate_keys a
  join extraction.duplicate_keys b
    on b.kind = a.kind and b.key = a.key and b.document_key <> a.document_key
  join ingest.documents da on da.document_key = a.document_key and da.version = a.version
  join ingest.documents db on db.document_key = b.document_key and db.version = b.version
  join ingest.pages pa on pa.document_key = a.document_key and pa.version = a.version and pa.page = 1
  join ingest.pages pb on pb.document_key = b.document_key and pb.version = b.version and pb.page = 1
  where a.kind = 'picture' and bit_count((pa.picture_hash # pb.picture_hash)::bit(64)) <= 10
) p
join ingest.documents l on l.document_key = p.document_key
join ingest.documents e on e.document_key = p.other
where (e.first_seen_at, e.document_key) < (l.first_seen_at, l.document_key)
  and l.superseded_by is null
  and e.superseded_by is null
group by l.document_key, l.name, l.status, e.document_key, e.name, l.first_seen_at;
