-- What we believed of every document at a moment: one row a document, the version that counted then.
create or replace function marts.as_of(moment timestamptz)
returns setof marts.document_versions
language sql stable parallel safe as $$
  select *
  from marts.document_versions
  where valid_from <= moment
    and (valid_to is null or valid_to > moment)
    and (superseded_at is null or superseded_at > moment)
$$;
