-- Row-level security by tenant, on while ingest.tenant_readers has rows: analysts then see in marts the documents of the
-- tenants they are listed for. Run `ocr-ops db migrate` after the first row came or the last one went.
--   insert into ingest.tenant_readers values ('alice', 'acme');
-- The views then belong to a role without a login that is subject to the policy, since owners of tables and superusers are not.
do $$
declare
  view regclass;
  wanted boolean := exists (select from ingest.tenant_readers);
  active boolean := (select relrowsecurity from pg_class where oid = 'ingest.documents'::regclass);
begin
  if not wanted then
    if active then
      alter table ingest.documents disable row level security;
    end if;
    return;
  end if;
  if not exists (select from pg_roles where rolname = 'ocr_ops_views') then
    create role ocr_ops_views nologin;
  end if;
  grant usage on schema ingest, extraction, audit to ocr_ops_views;
  grant usage, create on schema marts to ocr_ops_views;
  grant create on schema extraction to ocr_ops_views;
  grant select on all tables in schema ingest, extraction, audit, marts to ocr_ops_views;
  for view in
    select oid from pg_class
    where relkind = 'v' and relnamespace::regnamespace::text in ('marts', 'extraction')
      and pg_get_userbyid(relowner) <> 'ocr_ops_views'
  loop
    execute format('alter view %s owner to ocr_ops_views', view);
  end loop;
  if not active then
    drop policy if exists tenants_of_the_reader on ingest.documents;
    create policy tenants_of_the_reader on ingest.documents for select to ocr_ops_views using (
      tenant in (
        select t.tenant from ingest.tenant_readers t
        where exists (select from pg_roles r where r.rolname = t.role_name and pg_has_role(current_user, r.oid, 'member'))
      )
    );
    drop policy if exists everything on ingest.documents;
    create policy everything on ingest.documents
      to ocr_ops_loader, ocr_ops_auditor, ocr_ops_reviewer using (true) with check (true);
    alter table ingest.documents enable row level security;
  end if;
end
$$;
