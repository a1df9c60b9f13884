-- Waits for other runs that load a file into this database, until this
-- transaction ends: `create table if not exists` fails when two race.
select pg_advisory_xact_lock(hashtext('cruddur'));
