-- Row-level security by tenant is optional: sql/roles/60_row_level_security.sql turns it on while this table has rows.

create table ingest.tenant_readers (
  role_name varchar(63) not null,
  tenant varchar(80) not null,
  constraint pk_tenant_readers primary key (role_name, tenant)
);

comment on table ingest.tenant_readers is 'Who may read the documents of which tenant in marts; while it is empty everybody reads all';
comment on column ingest.tenant_readers.role_name is 'A role; its members may read, too';
comment on column ingest.tenant_readers.tenant is 'Tenant, as in ingest.documents';
