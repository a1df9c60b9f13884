-- What other people see of several users.
-- $1: the handles
select users.uuid, coalesce(users.display_name, '') as display_name, users.handle
from public.users
where users.handle = any ($1::text[]);
