-- Documents loaded before likeness was kept can be the earlier one of a possible pair, too. Their looks are not known here.

with known as (
  select i.document_key, i.version, i.invoice_number as number, i.grand_total as total, i.issue_date as day
  from extraction.invoices i
  union all
  select r.document_key, r.version, r.receipt_number, r.total, r.date
  from extraction.receipts r
),
seller as (
  select document_key, version, name_key as seller
  from extraction.parties
  where role = 'seller' and name_key is not null
  union
  select document_key, version, nullif(lower(regexp_replace(normalize(tax_id, nfkc), '[^[:alnum:]]', '', 'g')), '')
  from extraction.parties
  where role = 'seller' and tax_id is not null
),
made as (
  select k.document_key, k.version, 'number' as kind,
    s.seller || ' ' || nullif(lower(regexp_replace(normalize(k.number, nfkc), '[^[:alnum:]]', '', 'g')), '') as key
  from known k
  join seller s using (document_key, version)
  union all
  select k.document_key, k.version, 'amount', s.seller || ' ' || trim_scale(k.total)::text || ' ' || k.day::text
  from known k
  join seller s using (document_key, version)
)
insert into extraction.duplicate_keys (document_key, version, kind, key)
select document_key, version, kind, key from made where key is not null
on conflict do nothing;
