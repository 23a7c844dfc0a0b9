-- Which articles became dearer or cheaper at the same supplier in the last 90 days? First and last unit price.
select
  seller_name,
  description,
  currency,
  count(*) as bought,
  (array_agg(unit_price order by issue_date, invoice_number))[1] as first_price,
  (array_agg(unit_price order by issue_date desc, invoice_number desc))[1] as last_price
from marts.invoice_lines
where unit_price is not null
  and description is not null
  and issue_date > (select max(issue_date) - 90 from marts.invoices)
group by seller_name, description, currency
having min(unit_price) <> max(unit_price)
order by bought desc, seller_name, description
limit 100;
