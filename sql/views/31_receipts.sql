-- Accepted receipts: total and date were found on the page and confirmed.
create or replace view marts.receipts as
select *
from marts.receipts_all
where status = 'accepted';
