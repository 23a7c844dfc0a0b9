-- Which documents may have been sent twice, and how much money is that?
select p.name, p.duplicate_of_name, p.why, d.party, d.total, d.currency, p.status, p.seen_at
from marts.possible_duplicates p
join marts.documents d using (document_key)
order by p.seen_at desc, d.total desc nulls last
limit 200;
