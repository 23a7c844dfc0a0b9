-- Every document, whatever became of it: accepted, held back, unreadable. One row each, as it counts now.
--   party: Merchant of a receipt, seller of an invoice
--   document_date: Day of the purchase, date of the invoice
--   total: Amount with tax
--   currency: ISO 4217 code of the total
--   reasons: Why it is held back or could not be read, in words; also notes on accepted ones
--   places: At how many places these bytes were found
--   last_seen_at: When a run last met it
create or replace view marts.documents as
select
  d.document_key,
  d.name,
  d.doc_type,
  d.status,
  coalesce(i.seller_name, r.merchant_name) as party,
  coalesce(i.issue_date, r.date) as document_date,
  coalesce(i.grand_total, r.total) as total,
  coalesce(i.currency, r.currency) as currency,
  (
    select string_agg(p.detail, '; ' order by p.first)
    from (
      select found.detail, min(found.position) as first
      from (
        select detail, position
        from extraction.problems
        where document_key = d.document_key and version = d.version
        union all
        select detail, 1000000
        from marts.possible_duplicates
        where document_key = d.document_key
      ) found
      group by found.detail
    ) p
  ) as reasons,
  d.uri,
  d.digest,
  d.media_type,
  d.size_bytes,
  d.page_count,
  (select count(*) from ingest.sightings s where s.document_key = d.document_key) as places,
  d.first_seen_at,
  d.loaded_at,
  (select max(seen_at) from ingest.run_documents s where s.document_key = d.document_key) as last_seen_at,
  d.version,
  d.tenant
from ingest.documents d
left join extraction.invoices i using (document_key, version)
left join extraction.receipts r using (document_key, version)
where d.superseded_by is null;
