-- What would the proposals that wait change, before anybody promotes them?
select name, field, old_value, new_value, old_raw, new_raw, new_page, new_box_px, reason
from marts.proposed_changes
order by name, position
limit 500;
