-- Where the database says what it is, in one row.
create schema if not exists cruddur;
create table if not exists cruddur.marker (
  only_one boolean primary key default true check (only_one),
  environment text not null check (environment in ('development', 'production')),
  written_at timestamp not null default (now() at time zone 'utc')
);
-- Everybody who works in the database has to see what it is.
grant usage on schema cruddur to public;
grant select on cruddur.marker to public;
