-- Gives users the ids of the pool, unless theirs is another than it was.
-- $1, $2, $3: handles, their subs, and the ids that were found, in rows. As a function
-- of the from clause, unnest would keep all of them first, a hundred thousand in a
-- temporary file.
update public.users
set cognito_user_id = pool.sub
from (
  select unnest($1::text[]) as handle, unnest($2::text[]) as sub, unnest($3::text[]) as before
) as pool
where users.handle = pool.handle
  and users.cognito_user_id is not distinct from pool.before;
