-- How much was spent with whom, month by month? Accepted invoices and receipts together.
select
  date_trunc('month', document_date)::date as month,
  party,
  currency,
  count(*) as documents,
  sum(total) as spent
from marts.documents
where status = 'accepted'
group by month, party, currency
order by month desc, spent desc nulls last;
