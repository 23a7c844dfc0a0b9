-- Lines of every invoice with its status: also of those held back.
create or replace view marts.invoice_lines_all as
select
  i.invoice_number,
  l.line_no,
  l.description,
  l.quantity,
  l.unit_price,
  l.tax_rate,
  l.line_total,
  i.currency,
  i.seller_name,
  i.issue_date,
  i.status,
  l.document_key,
  l.version
from extraction.invoice_lines l
join marts.invoices_all i using (document_key, version);
