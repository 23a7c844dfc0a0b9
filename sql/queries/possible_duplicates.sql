-- Which documents of the last week may have been sent twice, and how much money is that? Ask before the payment run.
select p.name, p.duplicate_of_name, p.why, d.party, d.total, d.currency, p.status, p.seen_at
from marts.possible_duplicates p
join marts.documents d using (document_key)
where p.seen_at > (select max(first_seen_at) - interval '7 days' from marts.documents)
order by p.seen_at desc, d.total desc nulls last
limit 200;
