-- Why is the amount of the first line of the largest invoice what it is? Any table, document and field will do.
select w.*
from (select document_key from marts.invoices_all order by grand_total desc nulls last, document_key limit 1) i
cross join lateral marts.why('invoice_lines', i.document_key || '/1', 'line_total') w;
