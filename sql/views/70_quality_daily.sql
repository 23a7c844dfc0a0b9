-- Volumes and outcomes by day, source, document type, vendor, engine and prompt; add up over what you do not need.
--   day: Day on which the version that counts was loaded, in UTC
--   source: Folder or bucket prefix the document came from
--   vendor: Merchant or seller
--   engine: What read the first page
--   prompt_version: Version of the language model's prompt; null without one
--   documents: How many documents
--   pages: How many pages
--   accepted: Of the documents, accepted
--   needs_review: Of the documents, held back
--   quarantined: Of the documents, impossible to read
--   rejected: Of the documents, rejected by a person
--   corrected: Of the documents, with a version that a person made
--   accepted_share: Accepted documents among all, 0 to 1
--   problems: Problems of these documents
create or replace view marts.quality_daily as
select
  (d.loaded_at at time zone 'UTC')::date as day,
  regexp_replace(d.uri, '/[^/]*$', '') as source,
  d.doc_type,
  coalesce(i.seller_name, c.merchant_name) as vendor,
  p.engine,
  substring(r.readers::text from '/prompt-([^,}"]+)') as prompt_version,
  count(*) as documents,
  sum(d.page_count) as pages,
  count(*) filter (where d.status = 'accepted') as accepted,
  count(*) filter (where d.status = 'needs_review') as needs_review,
  count(*) filter (where d.status = 'quarantined') as quarantined,
  count(*) filter (where d.status = 'rejected') as rejected,
  count(*) filter (where r.made_by <> 'pipeline') as corrected,
  round(count(*) filter (where d.status = 'accepted') / count(*)::numeric, 4) as accepted_share,
  coalesce(sum(q.problems), 0) as problems
from ingest.documents d
join extraction.records r using (document_key, version)
left join extraction.invoices i using (document_key, version)
left join extraction.receipts c using (document_key, version)
left join ingest.pages p on p.document_key = d.document_key and p.version = d.version and p.page = 1
left join (
  select document_key, version, count(*) as problems from extraction.problems group by document_key, version
) q on q.document_key = d.document_key and q.version = d.version
where d.superseded_by is null
group by 1, 2, 3, 4, 5, 6;
