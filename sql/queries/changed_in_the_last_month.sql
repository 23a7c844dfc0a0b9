-- What changed in documents since a month before the last change, for example since the last close: old, new, who and why?
select changed_at, name, field, old_value, new_value, changed_by, reason, new_page, new_raw
from marts.version_changes
where state = 'promoted'
  and changed_at > (select max(changed_at) - interval '1 month' from marts.version_changes)
order by changed_at, name, position
limit 500;
