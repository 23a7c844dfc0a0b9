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
  p.document_key,
  p.name,
  p.status,
  p.duplicate_of,
  p.duplicate_of_name,
  array_agg(distinct p.why order by p.why) as why,
  format('May be the same as %s: %s.', p.duplicate_of_name, string_agg(distinct p.words, ', ' order by p.words)) as detail,
  p.seen_at
from (
  select l.document_key, l.name, l.status, e.document_key as duplicate_of, e.name as duplicate_of_name,
    'same_bytes' as why, 'the same bytes' as words, l.first_seen_at as seen_at
  from ingest.documents l
  join ingest.documents e on e.digest = l.digest
  where (e.first_seen_at, e.document_key) < (l.first_seen_at, l.document_key)
    and l.superseded_by is null
    and e.superseded_by is null
  union all
  select l.document_key, l.name, l.status, e.document_key, e.name,
    'same_' || a.kind,
    case a.kind
      when 'number' then 'same seller and number'
      when 'amount' then 'same seller, amount and date'
      else 'pictures that look alike'
    end,
    l.first_seen_at
  from extraction.duplicate_keys a
  join extraction.duplicate_keys b on b.kind = a.kind and b.key = a.key and b.document_key <> a.document_key
  join ingest.documents l on l.document_key = a.document_key and l.version = a.version
  join ingest.documents e on e.document_key = b.document_key and e.version = b.version
  left join ingest.pages lp
    on a.kind = 'picture' and lp.document_key = a.document_key and lp.version = a.version and lp.page = 1
  left join ingest.pages ep
    on a.kind = 'picture' and ep.document_key = b.document_key and ep.version = b.version and ep.page = 1
  where (e.first_seen_at, e.document_key) < (l.first_seen_at, l.document_key)
    and l.superseded_by is null
    and e.superseded_by is null
    and (a.kind <> 'picture' or bit_count((lp.picture_hash # ep.picture_hash)::bit(64)) <= 10)
) p
group by p.document_key, p.name, p.status, p.duplicate_of, p.duplicate_of_name, p.seen_at;
