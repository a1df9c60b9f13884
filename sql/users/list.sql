-- Users, all of them or the one with a handle.
-- $1: the handle, or null
select
  users.uuid,
  users.handle,
  users.display_name,
  users.email,
  users.cognito_user_id,
  users.created_at
from public.users
where $1::text is null or users.handle = $1
order by users.handle;
