-- Lines of every receipt with its status: also of those held back.
create or replace view marts.receipt_lines_all as
select
  r.receipt_number,
  l.line_no,
  l.description,
  l.quantity,
  l.unit_price,
  l.line_total,
  r.currency,
  r.merchant_name,
  r.date,
  r.status,
  l.document_key,
  l.version
from extraction.receipt_lines l
join marts.receipts_all r using (document_key, version);
