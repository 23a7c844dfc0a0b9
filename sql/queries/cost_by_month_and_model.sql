-- What do models cost, month by month? Fill ingest.prices to see money; tokens and seconds are there without it.
select
  date_trunc('month', day)::date as month,
  stage,
  model,
  prompt_version,
  sum(requests) as requests,
  sum(prompt_tokens + completion_tokens) as tokens,
  sum(seconds) as seconds,
  sum(cost) as cost,
  currency
from marts.costs_daily
group by 1, 2, 3, 4, currency
order by 1 desc, 2, 3, 4;
