-- Analysts read the views of marts and nothing else.
do $$
begin
  if exists (select from pg_roles where rolname = 'ocr_ops_analyst') then
    grant usage on schema marts to ocr_ops_analyst;
    grant select on all tables in schema marts to ocr_ops_analyst;
  end if;
end
$$;
