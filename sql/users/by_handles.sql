-- What other people see of several users.
-- $1: the handles
select
  users.uuid::uuid as uuid,
  coalesce(users.display_name, '')::text as display_name,
  users.handle::text as handle
from public.users
where users.handle = any ($1::text[]);
