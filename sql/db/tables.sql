-- Which of the two tables are there.
select
  to_regclass('public.users') is not null as users,
  to_regclass('public.activities') is not null as activities;
