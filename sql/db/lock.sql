-- Waits for other runs that load a file into this database, until this
-- transaction ends: `create table if not exists` fails when two race. One that has
-- not come to its end after a minute may never do so.
set local lock_timeout = '60s';
select pg_advisory_xact_lock(hashtext('cruddur'));

-- What others hold is not waited for so long: who asks for a table that a
-- forgotten transaction has read makes everybody else wait behind. A file may
-- set another limit.
set local lock_timeout = '5s';
