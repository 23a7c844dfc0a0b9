-- Documents held back for a person; order by waiting_since to see the longest waiting first.
--   fields: Fields that somebody should look at, as JSON pointers
--   waiting_since: Since when it is held back
create or replace view marts.review_queue as
select
  d.document_key,
  d.name,
  d.doc_type,
  d.party,
  d.document_date,
  d.total,
  d.currency,
  d.reasons,
  array(
    select distinct p.field
    from extraction.problems p
    where p.document_key = d.document_key and p.version = d.version and p.field is not null
    order by p.field
  ) as fields,
  d.uri,
  d.loaded_at as waiting_since
from marts.documents d
where d.status = 'needs_review';
