-- Problems by day, source, document type, vendor and kind.
--   day: Day on which the version that counts was loaded, in UTC
--   source: Folder or bucket prefix the document came from
--   vendor: Merchant or seller
--   problems: How many such problems
--   documents: On how many documents
create or replace view marts.problems_daily as
select
  (d.loaded_at at time zone 'UTC')::date as day,
  regexp_replace(d.uri, '/[^/]*$', '') as source,
  d.doc_type,
  coalesce(i.seller_name, c.merchant_name) as vendor,
  p.stage,
  p.kind,
  count(*) as problems,
  count(distinct d.document_key) as documents
from extraction.problems p
join ingest.documents d using (document_key, version)
left join extraction.invoices i using (document_key, version)
left join extraction.receipts c using (document_key, version)
where d.superseded_by is null
group by 1, 2, 3, 4, 5, 6;
