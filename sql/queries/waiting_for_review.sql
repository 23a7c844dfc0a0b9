-- What waits for a person, why, and since when? The longest waiting first.
select name, doc_type, party, total, currency, reasons, waiting_since
from marts.review_queue
order by waiting_since, name
limit 200;
