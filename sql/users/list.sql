-- Users, all of them or the one with a handle. Tables of older versions take
-- rows that lack something. A time that no calendar of four digits has is none.
-- $1: the handle, or null
select
  users.uuid::uuid as uuid,
  coalesce(users.handle, '')::text as handle,
  coalesce(users.display_name, '')::text as display_name,
  coalesce(users.email, '')::text as email,
  coalesce(users.cognito_user_id, '')::text as cognito_user_id,
  case
    when users.created_at::timestamp between '0001-01-01' and '9999-12-31 23:59:59.999999'
    then users.created_at::timestamp
  end as created_at
from public.users
where $1::text is null or users.handle = $1
order by users.handle;
