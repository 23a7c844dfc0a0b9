-- Tax of accepted documents by rate.
create or replace view marts.taxes as
select *
from marts.taxes_all
where status = 'accepted';
