-- Every invoice with its status: also those held back, whose values nobody has confirmed yet.
create or replace view marts.invoices_all as
select
  i.invoice_number,
  i.issue_date,
  i.due_date,
  i.seller_name,
  i.currency,
  i.net_total,
  i.tax_total,
  i.grand_total,
  i.amount_due,
  d.status,
  i.purchase_order,
  i.seller_address,
  i.seller_tax_id,
  i.seller_iban,
  i.buyer_name,
  i.buyer_address,
  i.buyer_tax_id,
  d.name,
  d.document_key,
  i.record_digest,
  d.loaded_at,
  d.version
from extraction.invoices i
join ingest.documents d using (document_key, version)
where d.superseded_by is null;
