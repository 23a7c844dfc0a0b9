-- What the versions that wait to be promoted would change, field by field: read it before promoting them.
create or replace view marts.proposed_changes as
select *
from marts.version_changes
where state = 'proposed';
