-- Who is connected, but for the session that asks.
-- $1: the database, or null for every one
select
  activity.pid,
  activity.datname::text as database,
  activity.usename::text as "user",
  activity.application_name as application,
  host(activity.client_addr) as client,
  activity.state,
  activity.backend_start as since
from pg_stat_activity as activity
-- Who may not see what others do is not told what kind of session it is, but
-- whose it is; the server's own have no user.
where coalesce(activity.backend_type, 'client backend') = 'client backend'
  and activity.datname is not null
  and activity.usename is not null
  and activity.pid <> pg_backend_pid()
  and ($1::text is null or activity.datname = $1)
order by activity.datname, activity.backend_start, activity.pid;
