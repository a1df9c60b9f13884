-- What kind of server this is, and how this database is set.
select
  split_part(current_setting('server_version'), ' ', 1) as version,
  current_setting('server_version_num')::integer as version_number,
  clock_timestamp() as now,
  pg_encoding_to_char(pg_database.encoding)::text as encoding,
  -- This session's own zone is UTC; this is what others are given.
  (select reset_val from pg_settings where name = 'TimeZone') as time_zone,
  -- Null where the session is not encrypted.
  (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl) as tls
from pg_database
where pg_database.datname = current_database();
