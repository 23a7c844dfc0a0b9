-- Group roles without a login: grant them to the people and programs that log in.
--   grant ocr_ops_analyst to alice;
-- A user who may not make roles gets a notice; an administrator makes the roles and runs `ocr-ops db migrate` again.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['ocr_ops_loader', 'ocr_ops_analyst', 'ocr_ops_auditor', 'ocr_ops_reviewer'] loop
    if exists (select from pg_roles where rolname = wanted) then
      continue;
    end if;
    begin
      execute format('create role %I nologin', wanted);
    exception
      when insufficient_privilege then
        raise notice 'role % is missing and % may not create roles: ask an administrator for "create role % nologin"',
          wanted, current_user, wanted;
      when duplicate_object or unique_violation then
        null; -- another database of this server made it at the same moment
    end;
  end loop;
end
$$;
