-- Where on which page does the total of the latest documents stand? box_px is left, top, right, bottom in the page picture.
select e.name, e.status, e.field, e.value, e.raw, e.match, e.page, e.box_px, e.box_pt, e.picture_digest
from (select document_key from marts.documents order by loaded_at desc, document_key limit 100) latest
join marts.evidence e using (document_key)
where e.field in ('/total', '/grand_total')
order by e.name, e.field;
