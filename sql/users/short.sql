-- What other people see of a user.
-- $1: the handle
select users.uuid, coalesce(users.display_name, '') as display_name, users.handle
from public.users
where users.handle = $1;
