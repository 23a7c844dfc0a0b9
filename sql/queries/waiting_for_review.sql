-- What waits for a person, why, and since when?
select name, doc_type, party, total, currency, reasons, waiting_since
from marts.review_queue;
