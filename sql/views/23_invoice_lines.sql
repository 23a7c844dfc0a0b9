-- Lines of accepted invoices.
create or replace view marts.invoice_lines as
select *
from marts.invoice_lines_all
where status = 'accepted';
