-- How much tax is in accepted documents, by rate and month? rate is null where the document names none.
select
  date_trunc('month', document_date)::date as month,
  rate,
  currency,
  count(*) as documents,
  sum(taxable) as taxable,
  sum(tax) as tax,
  count(*) filter (where tax is null) as without_tax_amount
from marts.taxes
group by 1, 2, 3
order by 1 desc, 2, 3;
