-- Users, all of them or the one with a handle. Tables of older versions take
-- rows that lack something.
-- $1: the handle, or null
select
  users.uuid,
  coalesce(users.handle, '')::text as handle,
  coalesce(users.display_name, '')::text as display_name,
  coalesce(users.email, '')::text as email,
  coalesce(users.cognito_user_id, '')::text as cognito_user_id,
  case when isfinite(users.created_at) then users.created_at::timestamp end as created_at
from public.users
where $1::text is null or users.handle = $1
order by users.handle;
