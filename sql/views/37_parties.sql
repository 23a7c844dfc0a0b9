-- Sellers and buyers of accepted documents.
create or replace view marts.parties as
select *
from marts.parties_all
where status = 'accepted';
