-- What did we believe a month before the last load: accepted documents and their sum, beside what we believe now?
with moments as (
  select max(loaded_at) as now, max(loaded_at) - interval '1 month' as before from marts.documents
)
select 'before' as moment, v.currency, count(*) as documents, sum(v.total) as total
from moments, marts.as_of(moments.before) v
where v.status = 'accepted'
group by v.currency
union all
select 'now', v.currency, count(*), sum(v.total)
from moments, marts.as_of(moments.now) v
where v.status = 'accepted'
group by v.currency
order by 1, 2;
