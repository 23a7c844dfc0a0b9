-- On which invoices is net plus tax not the total? Held back ones too; a cent or two is rounding.
select name, seller_name, invoice_number, net_total, tax_total, grand_total, grand_total - net_total - tax_total as off_by, status
from marts.invoices_all
where abs(grand_total - net_total - tax_total) > 0.02
order by abs(grand_total - net_total - tax_total) desc
limit 100;
