-- Why a value is what it is, from the value back to the file: value, record, rules, replies, prompts, blocks, pictures, source. source_table: receipts, invoices, receipt_lines, invoice_lines. id: document key, the beginning of it or file name; for a line also / and its number. field: column, or JSON pointer.
create or replace function marts.why(source_table text, id text, field text)
returns table (step integer, what text, says text, made_with text, digest text)
language sql stable as $$
  with asked as (
    select
      case when source_table like '%\_lines' then regexp_replace(why.id, '/\d+$', '') else why.id end as document,
      case
        when why.field like '/%' then why.field
        when source_table like '%\_lines'
          then format('/line_items/%s/%s', substring(why.id from '/(\d+)$')::integer - 1, why.field)
        else '/' || why.field
      end as pointer
  ),
  document as (
    select d.*
    from marts.documents d
    where d.document_key = (
      -- the key itself, else the one document that fits; none is guessed where several do
      select coalesce(
        min(k.document_key) filter (where k.document_key = asked.document),
        case when count(*) = 1 then min(k.document_key) end
      )
      from marts.documents k, asked
      where k.document_key = asked.document or k.name = asked.document
        or (length(asked.document) >= 15 and starts_with(k.document_key, asked.document))
    )
  ),
  place as (
    select e.* from marts.evidence e
    join document d using (document_key)
    join asked on asked.pointer = e.field
  ),
  kept as (
    select p.* from marts.provenance p join document d using (document_key, version)
  ),
  pages as (
    select r.* from marts.page_readings r
    where (r.document_key, r.page) in (select place.document_key, place.page from place)
  )
  select 1, 'value',
    case when e.field is null then format('%s was not read', asked.pointer) else format('%s = %s', e.field, coalesce(e.value, 'nothing')) end,
    case when e.field is not null then format('printed %s, match %s', coalesce(quote_literal(e.raw), 'nowhere'), coalesce(e.match, 'none')) end,
    null
  from document d
  cross join asked
  left join (select distinct on (place.field) place.* from place) e on true
  union all
  select 2, 'record', format('version %s, %s since %s, by %s: %s', v.version, v.status, v.valid_from, v.made_by, v.reason),
    format('%s; schema %s v%s', array_to_string(v.readers, ', '), v.doc_type, v.schema_version), v.record_digest
  from marts.document_versions v join document d using (document_key, version)
  union all
  select 3, 'rule', format('%s %s: %s', r.rule, case r.holds when true then 'holds' when false then 'does not hold' else 'does not apply' end, r.detail), null, null
  from (select distinct on (place.field) place.* from place) e
  cross join lateral jsonb_to_recordset(e.rules) r (rule text, holds boolean, detail text)
  union all
  select 4, 'candidate', k.role, null, k.digest from kept k where k.role like 'candidate/%'
  union all
  select 5, 'reply', k.role, coalesce(k.model, 'model in the kept reply'), k.digest from kept k where k.role like 'llm/attempt/%'
  union all
  select 6, 'prompt', format('kept with the reply, %s', k.role), 'prompt ' || coalesce(k.prompt_version, 'in the kept reply'), k.digest
  from kept k where k.role like 'llm/attempt/%'
  union all
  select 7, 'reply', format('%s: what was read on page %s', k.role, p.page),
    concat_ws(' ', p.engine, p.engine_version, p.model), k.digest
  from pages p join kept k on starts_with(k.role, format('page/%s/raw/', p.page))
  union all
  select 8, 'block', format('%s, pixels %s, grid %s%s', e.block_id, e.box_px, e.box_grid, ', points ' || e.box_pt::text),
    'page ' || e.page, k.digest
  from place e
  left join kept k on k.role = format('page/%s/blocks', e.page)
  where e.block_id is not null
  union all
  select 9, 'page picture', format('page %s, %s x %s pixels', p.page, p.width_px, p.height_px),
    format('%s dpi, turned by %s degrees', coalesce(p.dpi::text, 'unknown'), p.turn), p.picture_digest
  from pages p
  union all
  select 10, 'source file', d.uri, format('%s, %s bytes', d.media_type, d.size_bytes), d.digest from document d
  union all
  select 11, 'manifest', 'every step of the processing, with keys, inputs and outputs', null, k.digest
  from kept k where k.role = 'manifest'
  order by 1, 3
$$;
