-- What has to be paid, by when, to which account?
select due_date, seller_name, seller_iban, invoice_number, coalesce(amount_due, grand_total) as to_pay, currency
from marts.invoices
where due_date is not null
order by due_date, seller_name, invoice_number;
