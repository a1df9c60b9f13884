-- The ids of pool.csv, a handle and a sub a line, into the users: what anyone
-- would write by hand who has the list already.
create temp table pool (handle text, sub text);
\copy pool from 'pool.csv' csv
update public.users
set cognito_user_id = pool.sub
from pool
where users.handle = pool.handle
  and users.cognito_user_id is distinct from pool.sub;
