-- What other people see of a user.
-- $1: the handle
select
  users.uuid::uuid as uuid,
  coalesce(users.display_name, '')::text as display_name,
  users.handle::text as handle
from public.users
where users.handle = $1;
