-- The pages of every document as it counts now: their picture, and what read them.
create or replace view marts.page_readings as
select
  p.document_key,
  d.name,
  p.page,
  p.picture_digest,
  p.width_px,
  p.height_px,
  p.dpi,
  p.turn,
  p.blocks,
  p.engine,
  p.engine_version,
  p.model,
  p.attempts,
  p.version
from ingest.pages p
join ingest.documents d using (document_key, version)
where d.superseded_by is null;
