-- Gives users the ids of the pool.
-- $1, $2: handles and their subs, in pairs
update public.users
set cognito_user_id = pool.sub
from unnest($1::text[], $2::text[]) as pool (handle, sub)
where users.handle = pool.handle
  and users.cognito_user_id is distinct from pool.sub;
