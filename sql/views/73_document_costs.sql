-- What each document took: pages, requests, tokens, seconds and money; only documents for which a model was asked.
--   requests: Questions asked; an answer that was used again counts once
--   prompt_tokens: Tokens sent
--   completion_tokens: Tokens answered
--   seconds: Seconds from sending to the whole reply, added up
--   cost: By ingest.prices; null when a model has no price there
create or replace view marts.document_costs as
select
  c.document_key,
  d.name,
  d.doc_type,
  d.page_count,
  count(*) as requests,
  sum(c.prompt_tokens) as prompt_tokens,
  sum(c.completion_tokens) as completion_tokens,
  sum(c.seconds) as seconds,
  case when count(p.model) = count(*) then round(sum(
    c.prompt_tokens * p.per_million_prompt_tokens / 1000000
    + c.completion_tokens * p.per_million_completion_tokens / 1000000
    + c.seconds * p.per_hour / 3600
  ), 6) end as cost
from ingest.model_calls c
join ingest.documents d using (document_key)
left join ingest.prices p using (model)
group by c.document_key, d.name, d.doc_type, d.page_count;
