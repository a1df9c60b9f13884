-- What other people see of a user.
-- $1: the handle
select users.uuid, users.display_name, users.handle
from public.users
where users.handle = $1;
