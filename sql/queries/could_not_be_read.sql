-- Which files could not be read, and what should their senders be told?
select name, uri, reasons, last_seen_at
from marts.documents
where status = 'quarantined'
order by last_seen_at desc
limit 200;
