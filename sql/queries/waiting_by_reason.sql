-- How much waits for review, and why: documents and money by kind of problem.
select
  p.kind,
  p.field,
  d.currency,
  count(distinct d.document_key) as documents,
  sum(d.total) as held_back,
  min(p.since) as oldest
from marts.problems p
join marts.documents d using (document_key)
where p.status = 'needs_review' and p.kind <> 'possible_duplicate'
group by p.kind, p.field, d.currency
order by documents desc, p.kind, p.field;
