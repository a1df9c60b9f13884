-- Says what the database is, unless that was said before.
-- $1: development or production
insert into cruddur.marker (environment)
values ($1::text)
on conflict do nothing;
