-- Gives users the ids of the pool.
-- $1, $2: handles and their subs, in pairs. As a function of the from clause, unnest
-- would keep all of them first, a hundred thousand in a temporary file.
update public.users
set cognito_user_id = pool.sub
from (select unnest($1::text[]) as handle, unnest($2::text[]) as sub) as pool
where users.handle = pool.handle
  and users.cognito_user_id is distinct from pool.sub;
