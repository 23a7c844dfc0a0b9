-- Where on which page does each total stand? box_px is left, top, right, bottom in the page picture.
select name, status, field, value, raw, match, page, box_px, picture_digest
from marts.evidence
where field in ('/total', '/grand_total')
order by name, field;
