-- Which suppliers ask for payment to more than one account? A changed account is the commonest fraud.
select name_key, min(name) as name, array_agg(distinct iban) as accounts, count(*) as invoices
from marts.parties_all
where role = 'seller' and iban is not null
group by name_key
having count(distinct iban) > 1
order by name_key;
