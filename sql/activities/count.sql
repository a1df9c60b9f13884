-- How many activities there are.
select count(*) from public.activities;
