-- Every version of every document: what was believed, since when, until when, who changed it and why; proposals too.
--   party: Merchant of a receipt, seller of an invoice
--   document_date: Day of the purchase, date of the invoice
--   total: Amount with tax
--   currency: ISO 4217 code of the total
--   number: Number of the invoice or receipt
--   counts_now: Whether this is the version that counts now
--   superseded_at: When the file at this place could be read at last and became another document; null otherwise
create or replace view marts.document_versions as
select
  r.document_key,
  d.name,
  r.version,
  r.state,
  r.doc_type,
  r.status,
  coalesce(i.seller_name, c.merchant_name) as party,
  coalesce(i.issue_date, c.date) as document_date,
  coalesce(i.invoice_number, c.receipt_number) as number,
  coalesce(i.grand_total, c.total) as total,
  coalesce(i.currency, c.currency) as currency,
  r.valid_from,
  r.valid_to,
  r.state = 'promoted' and r.valid_to is null as counts_now,
  r.made_at,
  r.made_by,
  r.reason,
  r.decided_at,
  r.decided_by,
  r.decision_reason,
  r.base_version,
  r.readers,
  r.schema_version,
  r.schema_fingerprint,
  r.record_digest,
  r.manifest_digest,
  r.values,
  d.uri,
  s.first_seen_at as superseded_at
from extraction.records r
join ingest.documents d using (document_key)
left join ingest.documents s on s.document_key = d.superseded_by
left join extraction.invoices i on i.document_key = r.document_key and i.version = r.version
left join extraction.receipts c on c.document_key = r.document_key and c.version = r.version;
