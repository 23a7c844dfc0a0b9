-- What reading and extracting took by day, source, stage, engine, model and prompt: requests, tokens, seconds, money.
--   day: Day on which the answers were loaded, in UTC
--   source: Folder or bucket prefix the documents came from
--   documents: For how many documents
--   requests: Questions asked; an answer that was used again counts once
--   prompt_tokens: Tokens sent
--   completion_tokens: Tokens answered
--   seconds: Seconds from sending to the whole reply, added up; requests in flight at once overlap
--   cost: By ingest.prices; null for a model without a price there
create or replace view marts.costs_daily as
select
  (c.noted_at at time zone 'UTC')::date as day,
  regexp_replace(d.uri, '/[^/]*$', '') as source,
  c.stage,
  c.engine,
  c.model,
  c.prompt_version,
  count(distinct c.document_key) as documents,
  count(*) as requests,
  sum(c.prompt_tokens) as prompt_tokens,
  sum(c.completion_tokens) as completion_tokens,
  sum(c.seconds) as seconds,
  round(sum(
    c.prompt_tokens * p.per_million_prompt_tokens / 1000000
    + c.completion_tokens * p.per_million_completion_tokens / 1000000
    + c.seconds * p.per_hour / 3600
  ), 6) as cost,
  p.currency
from ingest.model_calls c
join ingest.documents d using (document_key)
left join ingest.prices p using (model)
group by 1, 2, 3, 4, 5, 6, p.currency;
