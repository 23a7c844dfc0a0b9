-- How much has to be paid in which month, and how much of it is overdue?
select
  date_trunc('month', due_date)::date as month,
  currency,
  count(*) as invoices,
  sum(coalesce(amount_due, grand_total)) as to_pay,
  sum(coalesce(amount_due, grand_total)) filter (where due_date < current_date) as overdue
from marts.invoices
where coalesce(amount_due, grand_total) > 0
group by 1, 2
order by 1, 2;
