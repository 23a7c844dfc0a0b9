-- Tax of every document by rate, with its status.
--   party: Merchant of a receipt, seller of an invoice
--   document_date: Day of the purchase, date of the invoice
--   currency: ISO 4217 code of the amounts
create or replace view marts.taxes_all as
select
  coalesce(i.seller_name, r.merchant_name) as party,
  coalesce(i.issue_date, r.date) as document_date,
  t.rate,
  t.taxable,
  t.tax,
  coalesce(i.currency, r.currency) as currency,
  t.basis,
  d.status,
  d.name,
  t.document_key,
  t.position
from extraction.taxes t
join ingest.documents d using (document_key, version)
left join extraction.invoices i using (document_key, version)
left join extraction.receipts r using (document_key, version)
where d.superseded_by is null;
