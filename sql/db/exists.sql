-- Whether the server has a database.
-- $1: its name
select exists (select from pg_database where datname = $1::text);
