-- Accepted invoices: every critical value was found on the page and confirmed.
create or replace view marts.invoices as
select *
from marts.invoices_all
where status = 'accepted';
