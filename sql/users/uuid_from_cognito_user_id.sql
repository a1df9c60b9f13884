-- The user who signed in. Two rows at most: seed users share the id 'MOCK',
-- and the caller wants to know that an id is not one user's.
-- $1: the pool's sub
select users.uuid
from public.users
where users.cognito_user_id = $1
order by users.created_at, users.handle
limit 2;
