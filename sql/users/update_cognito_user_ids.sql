-- Gives users the ids of the pool, and says what it met of each: every handle
-- of the pool and every user here. The final select sees the table as it was
-- before the update, so `before` is the old id. It sorts nothing: its caller
-- has more to put among it.
-- $1, $2: the pool's handles and their subs, in pairs; no handle twice
-- $3: whether to write
with pool as (
  select pool.handle, pool.sub
  from unnest($1::text[], $2::text[]) as pool (handle, sub)
),
changed as (
  update public.users
  set cognito_user_id = pool.sub
  from pool
  where users.handle = pool.handle
    and users.cognito_user_id is distinct from pool.sub
    and $3::boolean
)
select
  coalesce(users.handle, pool.handle)::text as handle,
  users.uuid is not null as here,
  users.cognito_user_id::text as before,
  pool.sub as after
from pool
full join public.users on users.handle = pool.handle;
