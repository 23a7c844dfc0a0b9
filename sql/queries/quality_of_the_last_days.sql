-- How well does reading go, day by day in the last week? Share of documents accepted without a person, and what stopped the others.
select
  day,
  sum(documents) as documents,
  sum(pages) as pages,
  round(sum(accepted) / sum(documents), 3) as accepted_share,
  sum(needs_review) as needs_review,
  sum(quarantined) as quarantined,
  sum(corrected) as corrected
from marts.quality_daily
where day > (select max(loaded_at)::date - 7 from marts.documents)
group by day
order by day desc;
