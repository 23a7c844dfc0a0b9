-- Who are the biggest suppliers, whatever way their names are printed?
select
  s.name_key,
  min(s.name) as name,
  count(distinct s.name) as spellings,
  count(distinct s.tax_id) as tax_ids,
  d.currency,
  count(*) as documents,
  sum(d.total) as spent
from marts.parties s
join marts.documents d using (document_key)
where s.role = 'seller'
group by s.name_key, d.currency
order by spent desc nulls last
limit 50;
