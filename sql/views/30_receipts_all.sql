-- Every receipt with its status: also those held back, whose values nobody has confirmed yet.
create or replace view marts.receipts_all as
select
  r.merchant_name,
  r.date,
  r.time,
  r.currency,
  r.subtotal,
  r.tax_total,
  r.total,
  d.status,
  r.payment_method,
  r.receipt_number,
  r.merchant_address,
  r.merchant_tax_id,
  d.name,
  d.document_key,
  r.record_digest,
  d.loaded_at,
  d.version
from extraction.receipts r
join ingest.documents d using (document_key, version)
where d.superseded_by is null;
