-- Lines of accepted receipts.
create or replace view marts.receipt_lines as
select *
from marts.receipt_lines_all
where status = 'accepted';
